"""What stands in the form of a letter before anything is written: nothing, an answer, a forward, or a draft."""

from __future__ import annotations

from typing import Any

from api.web.dashboard.forms import Form
from api.web.dashboard.mail.places import place_of
from api.web.dashboard.mail.quoting import quote_forward, quote_reply, sign, text_of
from api.web.dashboard.mail.readers import Reader
from hourpost.mailboxes import answering, listing, reading
from hourpost.mailboxes.reading import ReadableMessage
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.rules.headers import check_headers
from hourpost.rules.mail.safe_html import MAX_CHARACTERS

FIELDS = ("from", "to", "cc", "bcc", "subject", "text", "answers", "forwards", "draft", "was", "all", "nonce")
"""Of the form; ``was`` names a draft that is gone, which may have been sent by this very form."""
PEOPLE = ("to", "cc", "bcc")
_UNFINISHED = "X-Unfinished-"
"""Headers of a draft that hold what is no address yet."""
_PEOPLES = frozenset((*PEOPLE, "reply-to"))
_CARRIED = ("Disposition-Notification-To", "Importance", "X-Priority")
"""Headers of another program's draft that go on with it, though the form has no line for them."""
_HELD = frozenset(
    name.lower().encode()
    for name in (
        *("From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
        *(f"{_UNFINISHED}{name}" for name in PEOPLE),
        *_CARRIED,
    )
)
_IN_A_CONVERSATION = 50  # of its latest messages one may be what a draft answers


async def begin(reader: Reader, asked: Form) -> Form:
    """The form for what an address asks for. Raises: NotFound."""
    form = dict.fromkeys(FIELDS, "") | {"from": reader.mailbox.address} | asked
    source = asked["draft"] or asked["again"] or asked["answers"] or asked["forwards"]
    if not source:
        return form | {"text": sign(reader.mailbox.signature)}
    place = await place_of(reader, source)
    message = await reading.read_message(reader.parts.mail, reader.place(place.folder_id, place.uid), lambda _: "")
    if asked["draft"] or asked["again"]:
        # What is sent anew takes its files along, as a forward does
        written = form | _written(reader, message)
        return written | ({"forwards": source} if asked["again"] else await _answered(reader, asked, message))
    form["from"] = _own_address(reader, message, b"to", b"cc", b"delivered-to")
    if asked["forwards"]:
        quoted = quote_forward(message)
        return form | quoted | {"text": sign(reader.mailbox.signature) + quoted["text"]}
    defaults = answering.answer_defaults(message, reader.mailbox, to_all=bool(asked["all"]))
    return form | {
        "to": ", ".join(defaults.to),
        "cc": ", ".join(defaults.cc),
        "subject": defaults.subject,
        "text": sign(reader.mailbox.signature) + quote_reply(message),
    }


def holds_all(message: ReadableMessage) -> bool:
    """Whether the form holds all of a draft: other programs write pages, and headers that it has no line for."""
    is_whole = message.html is None and len(message.text or "") < MAX_CHARACTERS
    names = [name for name, _ in message.headers if name.lower() in _PEOPLES]
    return (
        is_whole
        and message.fields.keys() <= _HELD
        and len(names) == len(set(names))
        and all(answering.can_write_to_all(message, name.encode()) for name in names)
    )


def list_carried(draft: ReadableMessage) -> dict[str, Any]:
    """The fields of an email that a draft says and the form does not."""
    found = {name: draft.header(name.lower()) or "" for name in ("In-Reply-To", "References", *_CARRIED)}
    headers = {name: value for name, value in found.items() if value and not check_headers([(name, value)])}
    people = [one.text for one in answering.addresses_of(draft, b"reply-to")]
    return {"headers": headers} | ({"reply_to": people} if people else {})


async def _answered(reader: Reader, asked: Form, message: ReadableMessage) -> Form:
    """The message that a draft answers, so that it is marked as answered; nothing where it is not found."""
    names = answering.ids_of(message, b"in-reply-to")
    if asked["answers"] or not names:
        return {}
    search = listing.Search(thread_id=message.row.thread_id)
    found = await reader.parts.mail.read(listing.list_everywhere, reader.mailbox.id, search, _IN_A_CONVERSATION)
    folders = {one.id: one.public_id for one in await reader.folders()}
    places = (f"{folders[folder]}:{row.uid}" for folder, row in found.rows if row.message_id == names[0])
    return {"answers": next(places, "")}


def split_addresses(text: str) -> list[str]:
    """The addresses of a line, with commas or semicolons between them; commas in quotes are the name's."""
    found, start, is_quoted = [], 0, False
    for at, one in enumerate(text):
        if one == '"':
            is_quoted = not is_quoted
        elif one in ",;\n" and not is_quoted:
            found.append(text[start:at])
            start = at + 1
    return [one.strip() for one in [*found, text[start:]] if one.strip()]


def part_unfinished(form: Form) -> tuple[Form, tuple[tuple[str, str], ...]]:
    """The form with nothing but addresses in its lines, and headers with the rest, so that a draft keeps all."""
    kept, headers = dict(form), []
    for name in PEOPLE:
        found = split_addresses(form[name])
        good = [one for one in found if _is_address(one)]
        kept[name] = ", ".join(good)
        if rest := [one for one in found if one not in good]:
            headers.append((f"{_UNFINISHED}{name.capitalize()}", ", ".join(rest)))
    return kept, tuple(headers)


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except AddressError:
        return False
    return True


def _written(reader: Reader, message: ReadableMessage) -> Form:
    """What its writer has written so far; of a program's draft that is a page, the words."""
    form = {"subject": message.header("subject") or "", "text": text_of(message, with_links=True).removesuffix("\n")}
    form["from"] = _own_address(reader, message, b"from")
    for name in PEOPLE:
        people = [one.text for one in answering.addresses_of(message, name.encode())]
        rest = message.header(f"{_UNFINISHED}{name}".lower())
        form[name] = ", ".join([*people, rest] if rest else people)
    return form


def _own_address(reader: Reader, message: ReadableMessage, *headers: bytes) -> str:
    """Which address of the mailbox stands in these headers of a message; else its first."""
    named = [one.spec.lower() for name in headers for one in answering.addresses_of(message, name)]
    return next((one for one in named if one in reader.mailbox.addresses), reader.mailbox.address)
