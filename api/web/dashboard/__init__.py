"""The dashboard: pages for people, over the same functions that the REST API calls. No rule of the business lives here.

How to add a page:

1. **A module per noun** (``domains.py``) with ``router = APIRouter()``, listed in ``routes.py``. Signed-in pages live
   under ``/app/<noun>``, staff's under ``/operator``, webmail under ``/mail``; the root belongs to the REST API, so the
   first segment of every page's path is listed in ``routes.PAGES``, or the page is not found.
2. **Who may** is the type of an argument: ``visitor: Reader`` (or ``Sender``, ``Developer``, ``Biller``, ``Manager``,
   ``Owner``, ``AnyMember``, ``LoggedIn``, ``Staff``; ``AnyGuest`` for public pages) from ``visitors.py``. Who is not
   logged in is sent to log in, a role too small gets 403. ``visitor.account``, ``.user``, ``.role``, ``.parts``,
   ``.now``, ``.may(May.DEVELOP)``. Bind every query to ``visitor.account.id``, so that strangers get the 404 that
    ``NotFound`` becomes. ``hourpost.accounts.audit.note(connection, visitor.actor(), "key_made", visitor.now)``
   writes the audit log.
3. **Answer** with ``await visitor.page("domains/list.html", domains=...)``. The template lies in ``templates/``, begins
   with ``{% extends "app.html" %}``, fills the blocks ``title`` and ``content``, and draws with the macros of
   ``parts/{frame,forms,bits,meter}.html`` (``head``, ``field``, ``select``, ``submit``, ``confirm``, ``badge``,
   ``empty``, ``copy``, ``tabs``, ``pager`` …), which need no import, and with the filters of ``filters.py``
   (``number``, ``moment``, ``money``, ``size``, ``duration``, ``plural``). ``account.py`` and its template are the
   example to follow. The hour's meter is on every page by itself. Places are listed in ``parts/navigation.html``.
4. **A fragment** is a block of the same template: ``visitor.page(..., block="rows")`` renders that block alone where
   htmx asks (``HX-Request``), and the whole page where a browser does. Live parts ask again with ``hx-trigger="tick
   from:body"``, every four seconds while somebody looks.
5. **A form** posts to its own path: ``form = await read_form(request)`` gives a dict of stripped texts. On success
   ``return visitor.redirect("/app/domains", "The domain is added.")`` (303 and a message on the next page). On
   ``Refused`` show the page again with ``faults=faults_by_field(error), form=form`` and ``status=422``. Secrets that
   are shown once are rendered in the answer to the POST itself. Everything works without a script.
6. **No inline style or script**: the Content-Security-Policy forbids both. Styles are in ``assets/src/css``, built by
   ``make assets`` (also run by ``make run``, ``make test`` and pytest). Charts: see ``assets/src/charts.js`` and put
   ``{% block charts %}{{ charts() }}{% endblock %}`` into the page.
7. **Tests**: add the page's rows to ``tests/api/web/dashboard/matrix.py`` (every role, stranger and nobody are asked),
   and its name to ``tests/end_to_end/pages.py``, from which ``make screenshots`` and the axe-core test take their list.
"""
