"""The web inbox through its door: who gets in, what is read, written and moved, and who gets nothing."""

from __future__ import annotations

import asyncio
import base64
import html
import re
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from hourpost.accounts.passwords import hash_password
from hourpost.database import Database
from hourpost.mailboxes import listing
from hourpost.mailboxes.changes import set_password
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from tests.api.web.dashboard.inbox import PASSWORD, Inbox, make_box
from tests.api.web.dashboard.people import new_surfer, text_of
from tests.api.web.running import RunningWeb

HTML = (
    b"From: Eve <eve@far.test>\r\nTo: ada@acme.test\r\nSubject: Your =?utf-8?q?=C3=BCber?= order\r\n"
    b"Message-ID: <one@far.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n'
    b'<p onclick="x()">Hello <b>Ada</b></p><script>alert(1)</script><img src="https://far.test/pixel.gif">\r\n--b\r\n'
    b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="bill.pdf"\r\n'
    b"\r\n%PDF no more\r\n--b--\r\n"
)
PICTURED = (
    b"From: Eve <eve@far.test>\r\nTo: ada@acme.test\r\nSubject: Look\r\nMessage-ID: <three@far.test>\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n'
    b'<p>Hello</p><img src="cid:logo">\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n"
)
PLAIN = b"From: bob@far.test\r\nTo: ada@acme.test\r\nSubject: Lunch\r\nMessage-ID: <two@far.test>\r\n\r\nAt noon?\r\n"


def test_nobody_gets_to_the_log_in(site: RunningWeb) -> None:
    http = new_surfer(site.url).http
    for path in ("/mail", "/mail/f/inbox", "/mail/f/inbox/1/body", "/mail/write", "/mail/feed"):
        assert http.get(path).headers["location"].partition("?")[0] == "/mail/login"
    assert http.post("/mail/f/inbox/act", data={"act": "delete"}).headers["location"] == "/mail/login"
    http.close()


@pytest.mark.parametrize(
    ("asked", "reached"),
    [
        ("/mail/settings", "/mail/settings"),
        ("/mail/f/inbox/3?q=a+b&all=1", "/mail/f/inbox/3?q=a+b&all=1"),
        ("/mail", "/mail"),
        ("/mail/login?next=https://far.test/", "/mail"),
        ("/mail/login?next=//far.test/mail/", "/mail"),
        ("/mail/login?next=/app", "/mail"),
        ("/mail/login?next=/mail/login?next=/mail", "/mail"),
        ("/mail/login?next=/mail/logout", "/mail"),
    ],
)
def test_whoever_logs_in_comes_where_they_wanted_to_go(box: Inbox, site: RunningWeb, asked: str, reached: str) -> None:
    http = new_surfer(site.url).http
    login = http.get(asked)
    page = http.get(login.headers.get("location", asked))
    for password, status in (("wrong horse battery", 422), (PASSWORD, 303)):
        found = re.search(r'name="next" value="([^"]*)"', page.text)
        form = {"email": box.mailbox.address, "password": password}
        page = http.post("/mail/login", data=form | ({"next": html.unescape(found[1])} if found else {}))
        assert page.status_code == status
    assert page.headers["location"] == reached
    assert http.get(login.headers.get("location", asked)).headers["location"] == reached  # in another tab
    http.close()


def test_a_wrong_password_is_said_in_one_way(box: Inbox, site: RunningWeb) -> None:
    http = new_surfer(site.url).http
    for address in (box.mailbox.address, "nobody@nowhere.test"):
        answer = http.post("/mail/login", data={"email": address, "password": "wrong horse battery"})
        assert answer.status_code == 422
        assert "The address or the password is wrong" in answer.text
    http.close()


async def test_a_message_is_listed_read_and_counted(box: Inbox) -> None:
    uid = await box.receive(HTML)
    listed = box.get(box.home)
    assert "Your über order" in listed.text
    assert "is-unseen" in listed.text
    page = box.get(f"{box.home}/{uid}")
    assert "Eve &lt;eve@far.test&gt;" in page.text
    assert "bill.pdf" in page.text
    assert "is-unseen" not in box.get(box.home).text


async def test_html_runs_nothing_and_loads_nothing_until_asked(box: Inbox) -> None:
    uid = await box.receive(HTML)
    body = box.get(f"{box.home}/{uid}/body")
    assert "<b>Ada</b>" in body.text
    assert "alert" not in body.text
    assert "onclick" not in body.text
    assert "far.test/pixel" not in body.text
    assert "sandbox" in body.headers["content-security-policy"]
    assert "https:" not in body.headers["content-security-policy"]
    shown = box.get(f"{box.home}/{uid}/body?images=1")
    assert "far.test/pixel" in shown.text
    assert "https:" in shown.headers["content-security-policy"]


async def test_a_message_stands_alone_to_be_printed(box: Inbox) -> None:
    content = b"From: Eve <eve@far.test>\r\nSubject: <b>1</b>\r\n\r\n<script>1</script>\r\n"
    page = box.get(f"{box.home}/{await box.receive(content)}/body?alone=1")
    assert "<b>From:</b> Eve &lt;eve@far.test&gt;" in page.text
    assert "<title>&lt;b&gt;1&lt;/b&gt;</title>" in page.text
    assert "&lt;script&gt;1" in page.text
    assert "sandbox" in page.headers["content-security-policy"]


async def test_pictures_of_its_own_are_in_the_page_because_a_frame_without_origin_sends_no_session(box: Inbox) -> None:
    uid = await box.receive(PICTURED)
    body = box.get(f"{box.home}/{uid}/body")
    assert '<img src="data:image/png;base64,aGVsbG8="' in body.text
    assert "/part/" not in box.get(f"{box.home}/{uid}").text


PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"
GIF, WEBP = b"GIF89a", b"RIFF\x01\x02\x03\nWEBP"


@pytest.mark.parametrize(
    ("sent", "content", "shown"),
    [
        ("image/jpg", JPEG, "image/jpeg"),
        ("image/pjpeg", JPEG, "image/jpeg"),
        ("image/x-png", PNG, "image/png"),
        ("application/octet-stream", PNG, "image/png"),
        ("application/octet-stream", JPEG, "image/jpeg"),
        ("application/octet-stream", GIF, "image/gif"),
        ("application/octet-stream", WEBP, "image/webp"),
        ("application/octet-stream", b"<svg/>", None),
        ("application/octet-stream", b"", None),
        ("image/svg+xml", b"<svg/>", None),
        ("image/bmp", b"BM", None),
        ("application/pdf", b"%PDF", None),
        ("image/png", b"\0" * (10 * 1024 * 1024 + 1), None),
    ],
)
async def test_a_file_in_a_page_is_shown_there_or_listed(
    box: Inbox, sent: str, content: bytes, shown: str | None
) -> None:
    written = base64.encodebytes(content)
    message = PICTURED.replace(b"image/png", sent.encode()).replace(b"aGVsbG8=\r\n", written)
    uid = await box.receive(message)
    listed = f"{box.home}/{uid}/part/2" in box.get(f"{box.home}/{uid}").text
    embedded = re.search('<img src="data:([^;"]+);base64,', box.get(f"{box.home}/{uid}/body").text)
    assert (embedded and embedded[1], listed) == (shown, shown is None)
    assert box.get(f"{box.home}/{uid}/part/2").headers["content-type"] != "image/svg+xml"


async def test_no_text_that_looks_like_an_address_keeps_a_file_from_the_list(box: Inbox) -> None:
    named = b"".join(b'"%b%d"' % (place, 2) for place in (b"#", b"#/", b"/", b"cid:"))
    uid = await box.receive(PICTURED.replace(b'<img src="cid:logo">', named))
    assert f"{box.home}/{uid}/part/2" in box.get(f"{box.home}/{uid}").text


async def test_a_script_gets_the_message_alone_or_the_list_alone(box: Inbox) -> None:
    uid = await box.receive(PLAIN)
    message = box.http.get(f"{box.home}/{uid}", headers={"HX-Request": "true", "HX-Target": "content"}).text
    assert "<title>Lunch" in message
    assert "At noon?" in message
    assert "mail-rows" not in message
    rows = box.http.get(box.home, headers={"HX-Request": "true", "HX-Target": "live"}).text
    assert "mail-rows" in rows
    assert "<title>" not in rows


async def test_a_script_that_renews_the_head_does_not_read_the_message_again(box: Inbox) -> None:
    uid = await box.receive(PLAIN)
    box.http.get(f"{box.home}/{uid}", headers={"HX-Request": "true", "HX-Target": "mail-acts"})
    assert "is-unseen" in box.get(box.home).text
    box.http.get(f"{box.home}/{uid}", headers={"HX-Request": "true", "HX-Target": "content"})
    assert "mail-row is-unseen" not in box.get(box.home).text


async def test_a_flag_leaves_the_message_open_and_unread_closes_it(box: Inbox) -> None:
    uid = await box.receive(PLAIN)
    here = f"{box.home}/{uid}"
    form = {"uid": str(uid), "back": box.home, "stay": here}
    assert box.post(f"{box.home}/act", form | {"act": "flag"}).headers["location"] == here
    assert box.post(f"{box.home}/act", form | {"act": "unseen"}).headers["location"] == box.home
    assert box.post(f"{box.home}/act", form | {"act": "move"}).headers["location"] == box.home
    assert "is-unseen" in box.get(box.home).text


async def test_a_folder_is_listed_by_date_and_not_as_it_was_filled(box: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail that is brought along comes in any order, and its own dates with it; some of the same second."""
    monkeypatch.setattr("api.web.dashboard.mail.box._PAGE", 2)
    inbox = await box.store.read(get_folder, box.mailbox.id, "INBOX")
    years = (2021, 1996, 2026, 2021, 2003)
    for year in years:
        new = NewMessage(PLAIN.replace(b"Lunch", str(year).encode()), received_at=datetime(year, 5, 1, tzinfo=UTC))
        await box.store.append(box.mailbox.id, inbox.id, new)
    pages, path = [box.get(box.home).text], ""
    while path := leads(pages[-1], "next"):
        pages.append(box.get(path).text)
    assert [shown(page) for page in pages] == [[3, 4], [1, 5], [2]]
    second = box.get(leads(pages[2], "prev")).text
    assert shown(second) == [1, 5]
    first = box.get(leads(second, "prev")).text
    assert (shown(first), leads(first, "prev")) == ([3, 4], "")
    assert "mail-rows" in box.get(leads(pages[0], "next").replace("after", "before")).text


@pytest.mark.parametrize("place", ["after", "before"])
async def test_a_page_that_an_older_version_leads_to_is_the_first(box: Inbox, place: str) -> None:
    await box.receive(PLAIN)
    assert shown(box.get(f"{box.home}?{place}=17").text) == [1]


def shown(page: str) -> list[int]:
    return [int(uid) for uid in re.findall(r'<a id="m(\d+)"', page)]


def leads(page: str, rel: str) -> str:
    found = re.search(rf'href="([^"]+)" rel="{rel}"', page)
    return html.unescape(found[1]) if found else ""


async def test_what_is_attached_is_kept_and_not_shown(box: Inbox) -> None:
    uid = await box.receive(HTML)
    found = re.search(rf'href="({box.home}/{uid}/part/[^"]+)"', box.get(f"{box.home}/{uid}").text)
    assert found
    answer = box.get(found[1])
    assert answer.content.startswith(b"%PDF no more")
    assert answer.headers["content-disposition"].startswith('attachment; filename="bill.pdf"')
    assert answer.headers["content-type"] == "application/octet-stream"
    assert box.get(f"{box.home}/{uid}/source").content == HTML


async def test_search_and_filters_narrow_the_list(box: Inbox) -> None:
    await box.receive(HTML)
    uid = await box.receive(PLAIN)
    assert "Lunch" not in box.get(f"{box.home}?q=über").text
    assert "Lunch" in box.get(f"{box.home}?q=noon").text
    box.post(f"{box.home}/act", {"act": "flag", "uid": str(uid)})
    flagged = box.get(f"{box.home}?show=flagged").text
    assert "Lunch" in flagged
    assert "order" not in flagged


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("cafe", 2), ("CAFÉ", 2), ("muller", 1), ("Müller", 1), ("subject:cafe", 1), ("from:Müller", 1),
        ('"au cafe noir"', 1), ("strasse", 1), ("lodz", 1), ("dusseldorf", 2), ("düsseldorf", 2), ("from:cafe", 0),
    ],
)  # fmt: skip
async def test_a_search_finds_words_with_and_without_their_accents(box: Inbox, text: str, count: int) -> None:
    await box.receive("From: J. Müller <j@far.test>\r\nSubject: Café?\r\n\r\nDusseldorf\r\n".encode())
    await box.receive("From: A <a@far.test>\r\nSubject: x\r\n\r\nDüsseldorf, Łódź, au café noir, Straße".encode())
    page = box.get(f"{box.home}?{urlencode({'q': text})}").text
    found = len(re.findall('<li class="mail-row', page))
    assert found == count


async def test_a_search_looks_through_all_folders(box: Inbox) -> None:
    await box.receive(HTML)
    archived = await box.receive(PLAIN)
    box.post(f"{box.home}/act", {"act": "archive", "uid": str(archived)})
    here = box.get(f"{box.home}?q=noon").text
    assert "Lunch" not in here
    assert f'href="{box.home}?q=noon&amp;all=1">Search all folders' in here
    found = box.get(f"{box.home}?q=noon&all=1").text
    assert "Lunch" in found
    assert "order" not in found
    opened = re.search(rf'href="({box.folder("Archive")}/\d+\?q=noon&amp;all=1)"', found)
    assert opened
    page = box.get(opened[1].replace("&amp;", "&")).text
    assert "is-open" in page
    assert "All folders</h1>" in page


async def test_a_search_of_all_folders_is_paged(box: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.web.dashboard.mail.box._PAGE", 2)
    uids = [await box.receive(PLAIN) for _ in range(3)]
    box.post(f"{box.home}/act", {"act": "archive", "uid": str(uids[0])})
    first = box.get(f"{box.home}?q=noon&all=1").text
    older = re.search(rf'href="({box.home}\?q=noon&amp;all=1&amp;after=[^"]+)"', first)
    assert older
    assert first.count('<li class="mail-row') == 2
    second = box.get(older[1].replace("&amp;", "&")).text
    assert second.count('<li class="mail-row') == 1
    assert f'href="{box.folder("Archive")}/1?' in second
    assert "&amp;after=" not in second.partition("</ol>")[2]
    assert box.get(f"{box.home}?q=noon&all=1&after=nonsense").status_code == 422


async def test_a_search_that_has_looked_at_enough_offers_to_go_on(box: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = await box.receive(PLAIN)
    for _ in range(3):
        await box.receive(HTML)
    monkeypatch.setattr(listing, "LOOKED_AT_ONCE", 2)
    for path in (f"{box.home}?q=noon", f"{box.home}?q=noon&all=1"):
        first = box.get(path).text
        assert "Nothing so far" in first
        older = re.search(r'href="([^"]+after=[^"]+)"', first)
        assert older
        assert f"/{wanted}?" in box.get(older[1].replace("&amp;", "&")).text


@pytest.mark.parametrize(("act", "where"), [("archive", "Archive"), ("junk", "Junk"), ("delete", "Trash")])
async def test_messages_go_where_they_are_sent(box: Inbox, act: str, where: str) -> None:
    uids = [await box.receive(PLAIN), await box.receive(HTML)]
    answer = box.post(f"{box.home}/act", {"act": act, "uid": [str(one) for one in uids]})
    assert answer.status_code == 303
    assert "2 messages" in box.get(answer.headers["location"]).text
    assert "Lunch" not in box.get(box.home).text
    assert "Lunch" in box.get(box.folder(where)).text


@pytest.mark.parametrize("act", ["archive", "delete"])
async def test_what_went_elsewhere_is_brought_back(box: Inbox, act: str) -> None:
    uids = [await box.receive(PLAIN), await box.receive(HTML)]
    box.post(f"{box.home}/act", {"act": act, "uid": [str(one) for one in uids], "back": box.home})
    page = box.get(box.home).text
    assert "mail-rows" not in page
    undo = re.search(r'<form method="post" action="([^"]+)">((?:<input type="hidden"[^>]+>)+)<button[^>]*>Undo', page)
    assert undo
    fields: dict[str, object] = {"uid": re.findall(r'name="uid" value="(\d+)"', undo[2])}
    fields |= dict(re.findall(r'name="(act|to|back)" value="([^"]+)"', undo[2]))
    assert box.post(undo[1], fields).headers["location"] == box.home
    assert box.get(box.home).text.count('<li class="mail-row') == 2
    assert ">Undo" not in box.get(box.home).text


async def test_every_other_folder_is_a_button_to_move_to(box: Inbox) -> None:
    """No list of choices acts by itself: the arrow keys alone would choose in it."""
    uid = await box.receive(PLAIN)
    archive = box.folder("Archive")
    for path in (box.home, f"{box.home}/{uid}"):
        page = box.get(path).text
        assert f'<button name="to" value="{archive.rpartition("/")[2]}"' in page
        assert "<select" not in page
    answer = box.post(f"{box.home}/act", {"to": archive.rpartition("/")[2], "uid": str(uid)})
    assert "Moved: 1 message." in box.get(answer.headers["location"]).text
    assert "Lunch" in box.get(archive).text


async def test_out_of_trash_they_are_gone(box: Inbox) -> None:
    uid = await box.receive(PLAIN)
    box.post(f"{box.home}/act", {"act": "delete", "uid": str(uid)})
    trash = box.folder("Trash")
    box.post(f"{trash}/act", {"act": "delete", "uid": "1"})
    assert "Lunch" not in box.get(trash).text


async def test_trash_is_emptied_of_what_was_shown(box: Inbox) -> None:
    trash = box.folder("Trash")
    box.post(f"{box.home}/act", {"act": "delete", "uid": str(await box.receive(PLAIN))})
    last = re.search(r'action="[^"]+/empty".*?name="last" value="(\d+)"', box.get(trash).text, re.DOTALL)
    assert last
    box.post(f"{box.home}/act", {"act": "delete", "uid": str(await box.receive(HTML))})
    assert "1 deleted" in box.get(box.post(f"{trash}/empty", {"last": last[1]}).headers["location"]).text
    assert "über order" in box.get(trash).text  # which came meanwhile
    assert box.post(f"{box.home}/empty", {"last": "9"}).status_code == 404
    assert "/empty" not in box.get(box.home).text


async def test_all_is_marked_as_read_at_once(box: Inbox) -> None:
    for content in (PLAIN, HTML):
        await box.receive(content)
    last = re.search(r'action="[^"]+/read".*?name="last" value="(\d+)"', box.get(f"{box.home}?show=unseen").text)
    assert last
    box.post(f"{box.home}/read", {"last": last[1]})
    assert "is-unseen" not in box.get(box.home).text


def test_folders_are_made_renamed_and_removed(box: Inbox) -> None:
    where = box.post("/mail/folders", {"name": "Holidays"}).headers["location"]
    where = box.post(f"{where}/rename", {"name": "Trips/2026"}).headers["location"]
    assert "Trips/2026" in box.get(where).text
    assert box.post(f"{where}/remove").headers["location"] == "/mail"
    assert box.get(where).status_code == 404
    refused = box.post(f"{box.home}/remove")
    assert refused.status_code == 303
    assert box.get(box.home).status_code == 200


@pytest.mark.parametrize(("content", "said"), [(HTML, "On 24 Nov 2026 at 10:00, "), (PLAIN, "bob@far.test wrote:")])
async def test_an_answer_says_who_wrote_when(box: Inbox, content: bytes, said: str) -> None:
    place = f"{box.home.rpartition('/')[2]}:{await box.receive(content)}"
    assert said in box.get(f"/mail/write?answers={place}").text


@pytest.mark.parametrize("year", ["99999999999", "9" * 30, ","])
async def test_a_date_that_cannot_be_keeps_nobody_from_answering(box: Inbox, year: str) -> None:
    content = PLAIN.replace(b"Subject:", f"Date: Mon, 1 Jan {year} 10:00:00 +0000\r\nSubject:".encode())
    place = f"{box.home.rpartition('/')[2]}:{await box.receive(content)}"
    answer = box.get(f"/mail/write?answers={place}")
    assert answer.status_code == 200
    assert "bob@far.test wrote:" in answer.text


@pytest.mark.parametrize("number", ["0", "-1", "x", "\u0661", "2147483648", "9" * 5000])
def test_what_is_no_number_of_a_message_finds_none(box: Inbox, number: str) -> None:
    missing = box.get(f"{box.home}?after={number}")
    assert missing.status_code == 404
    assert 'href="/mail">To the inbox</a>' in missing.text
    assert box.get(f"{box.home}/{number}").status_code in (404, 422)
    assert box.get(f"/mail/write?answers=inbox:{number}").status_code == 404
    answer = box.post(f"{box.home}/act", {"act": "flag", "uid": number})
    assert "Choose some messages first" in box.get(answer.headers["location"]).text


async def test_an_answer_is_sent_filed_and_marked(box: Inbox) -> None:
    uid = await box.receive(PLAIN)
    place = f"{box.home.rpartition('/')[2]}:{uid}"
    form = box.get(f"/mail/write?answers={place}")
    assert 'value="Re: Lunch"' in form.text
    assert "&gt; At noon?" in form.text
    letter = {"answers": place, "to": "bob@far.test", "subject": "Re: Lunch", "text": "Yes!", "act": "send"}
    files = {"files": ("map.txt", b"to the left", "text/plain")}
    answer = box.http.post("/mail/write", data=letter, files=files)
    assert answer.status_code == 303, text_of(answer)
    sent = box.get(answer.headers["location"])
    assert "Re: Lunch" in sent.text
    source = box.get(f"{answer.headers['location']}/1/source").text
    assert "In-Reply-To: <two@far.test>" in source
    assert "map.txt" in source
    assert "Answered" in box.get(box.home).text


async def test_a_forward_takes_what_is_attached_along(box: Inbox) -> None:
    uid = await box.receive(HTML)
    place = f"{box.home.rpartition('/')[2]}:{uid}"
    assert "Forwarded message" in box.get(f"/mail/write?forwards={place}").text
    letter = {"forwards": place, "to": "carl@far.test", "subject": "Fwd: order", "text": "See below", "act": "send"}
    answer = box.http.post("/mail/write", data=letter, files={"files": ("", b"")})
    assert "bill.pdf" in box.get(f"{answer.headers['location']}/1/source").text


@pytest.mark.parametrize(
    ("sent", "forwarded"),
    [
        ("text/plain; charset=iso-8859-1; name=a.txt", 'text/plain;\r\n charset="iso-8859-1"'),
        ("text/calendar; method=REQUEST; charset=utf-8", 'text/calendar;\r\n method="REQUEST";\r\n charset="utf-8"'),
        ('text/plain; charset="a\\"b"; format=flowed', 'text/plain;\r\n format="flowed"'),
        ("text/pl~ain", "application/octet-stream"),
    ],
)
async def test_a_file_is_forwarded_with_all_that_its_type_says(box: Inbox, sent: str, forwarded: str) -> None:
    uid = await box.receive(HTML.replace(b"application/pdf", sent.encode()))
    letter = {"forwards": f"{box.home.rpartition('/')[2]}:{uid}", "to": "carl@far.test", "text": "x", "act": "send"}
    source = box.get(f"{box.post('/mail/write', letter).headers['location']}/1/source").text
    assert f"Content-Type: {forwarded}\r\n" in source


async def test_a_letter_outlives_the_message_that_it_is_about(box: Inbox) -> None:
    place = f"{box.home.rpartition('/')[2]}:{await box.receive(HTML)}"
    box.post(f"{box.home}/act", {"uid": place.partition(":")[2], "act": "archive"})
    letter = {"to": "bob@far.test", "subject": "Re: order", "text": "Yes!", "act": "send"}
    assert box.post("/mail/write", letter | {"answers": place}).status_code == 303
    refused = box.post("/mail/write", letter | {"forwards": place})
    assert refused.status_code == 422
    assert "can be sent without its files" in refused.text
    assert 'name="forwards" value=""' in refused.text


def test_a_draft_is_kept_and_gone_on_with(box: Inbox) -> None:
    where = box.post("/mail/write", {"subject": "Half", "text": "Dear", "act": "keep"}).headers["location"]
    assert 'value="Half"' in box.get(where).text
    draft = where.partition("draft=")[2]
    more = {"draft": draft, "to": "bob@far.test", "subject": "Half", "text": "Dear Bob", "act": "keep"}
    where = box.post("/mail/write", more).headers["location"]
    page = box.get(where).text
    assert "Dear Bob" in page
    assert 'value="bob@far.test"' in page
    draft = where.partition("draft=")[2]
    sent = {"draft": draft, "to": "bob@far.test", "subject": "Whole", "text": "Dear Bob", "act": "send"}
    assert box.post("/mail/write", sent).status_code == 303
    assert "Nothing here" in box.get(box.folder("Drafts")).text


def test_a_script_keeps_a_draft_and_is_told_where_it_lies(box: Inbox) -> None:
    asking, places = {"Accept": "application/json"}, [""]
    for text in ("Dear", "Dear Bob"):
        letter = {"draft": places[-1], "subject": "Half", "text": text, "act": "keep"}
        places.append(box.http.post("/mail/write", data=letter, headers=asking).json()["draft"])
    assert "Dear Bob</textarea>" in box.get(f"/mail/write?draft={places[-1]}").text
    assert box.get(box.folder("Drafts")).text.count('<li class="mail-row') == 1
    gone = box.post("/mail/write", {"draft": places[1], "to": "bob@far.test", "text": "Dear Bob", "act": "send"})
    assert gone.status_code == 422
    assert "elsewhere" in gone.text
    assert 'name="draft" value=""' in gone.text  # so that it leaves at the next press
    assert box.post("/mail/write", {"draft": places[-1], "act": "discard"}).headers["location"] == "/mail"
    assert "Nothing here" in box.get(box.folder("Drafts")).text


async def test_a_draft_of_an_answer_stays_one(box: Inbox) -> None:
    place = f"{box.home.rpartition('/')[2]}:{await box.receive(PLAIN)}"
    kept = box.post("/mail/write", {"answers": place, "subject": "Re: Lunch", "text": "Yes", "act": "keep"})
    where = kept.headers["location"]
    assert f'name="answers" value="{place}"' in box.get(where).text
    draft = where.partition("draft=")[2].partition("&")[0]
    letter = {"draft": draft, "to": "bob@far.test", "subject": "Re: Lunch", "text": "Yes", "act": "send"}
    sent = box.post("/mail/write", letter).headers["location"]
    assert "In-Reply-To: <two@far.test>" in box.get(f"{sent}/1/source").text


def test_what_is_wrong_with_a_letter_stands_beside_its_field(box: Inbox) -> None:
    answer = box.post("/mail/write", {"to": "nobody", "subject": "x", "text": "y", "act": "send"})
    assert answer.status_code == 422
    assert 'id="to-fault"' in answer.text
    assert "y</textarea>" in answer.text


async def test_a_stranger_reads_nothing(box: Inbox, site: RunningWeb, database: Database, store: MailStore) -> None:
    uid = await box.receive(PLAIN)
    other = await make_box(site, database, store)
    for path in ("", f"/{uid}", f"/{uid}/body", f"/{uid}/part/1", f"/{uid}/source"):
        assert other.get(box.home + path).status_code == 404
    assert other.post(f"{box.home}/act", {"act": "delete", "uid": str(uid)}).status_code == 404
    place = f"{box.home.rpartition('/')[2]}:{uid}"
    assert other.get(f"/mail/write?answers={place}").status_code == 404
    assert "Lunch" in box.get(box.home).text
    other.http.close()


async def test_a_changed_password_ends_every_session(box: Inbox, database: Database) -> None:
    async with database.transaction() as connection:
        await set_password(connection, box.account.id, box.mailbox.id, await hash_password("another horse battery"))
    assert box.get("/mail").headers["location"] == "/mail/login"


def test_who_logs_out_is_out(box: Inbox) -> None:
    kept = dict(box.http.cookies)
    box.post("/mail/logout")
    box.http.cookies.update(kept)
    assert box.get("/mail").headers["location"] == "/mail/login"


async def test_the_feed_tells_of_what_comes_in(box: Inbox) -> None:
    with box.http.stream("GET", "/mail/feed", timeout=10) as feed:
        lines = feed.iter_lines()
        while "INBOX" not in next(lines):
            pass
        await box.receive(PLAIN)
        assert await asyncio.to_thread(lambda: any('"messages":1' in line for line in lines))


async def test_how_many_are_unread_stands_in_the_title(box: Inbox) -> None:
    uids = [await box.receive(PLAIN) for _ in range(2)]
    assert "<title>(2) Inbox ·" in box.get(box.home).text
    assert "<title>(1) Lunch ·" in box.get(f"{box.home}/{uids[0]}").text
    box.get(f"{box.home}/{uids[1]}")
    assert "<title>Inbox ·" in box.get(box.home).text
