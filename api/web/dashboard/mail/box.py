"""Reading: the list of a folder, one message beside it, its HTML in a frame of its own, and what is attached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request, Response
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, StreamingResponse

from api.web.dashboard.mail.letters import file_name
from api.web.dashboard.mail.outcomes import HELD, OUTCOMES, SCHEDULED, Row, tell_states, told
from api.web.dashboard.mail.outgoing import Outgoing
from api.web.dashboard.mail.pictures import KINDS, embed_pictures, find_embedded
from api.web.dashboard.mail.readers import HOME, Reader, TheReader
from api.web.saved_files import download, stream
from api.web.v1.message_query import read_spot, spot_text
from hourpost.errors import NotFound, ValidationFailed
from hourpost.mailboxes import listing, reading
from hourpost.mailboxes.flag_words import words_of
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.listing import DateCursor, Search, Spot
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.uid_ranges import LAST_UID, find_uid
from hourpost.rules.mail_flags import Flag

router = APIRouter()

FOLDER = HOME + "/f/{folder}"
MESSAGE = FOLDER + "/{uid}"
Uid = Annotated[int, Path(ge=1, le=LAST_UID)]
_PAGE = 50
_FRAME = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light">'
    '<base target="_blank"><style>body{{font:15px/1.5 system-ui,sans-serif;margin:12px;overflow-wrap:anywhere}}'
    "img{{max-width:100%;height:auto}}table{{max-width:100%}}pre{{white-space:pre-wrap}}"
    "blockquote{{border-left:2px solid #ccc;margin:0 0 0 2px;padding-left:12px;color:#555}}a{{color:#0f766e}}</style>"
    '<body dir="auto">{}'
)
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:{}; font-src 'none'; form-action 'none';"
    " frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_ACTS = "mail-acts"
_YOUNG = timedelta(minutes=15)
"""So long it may take until it is known which of the emails a copy in Sent is."""


@router.get(HOME)
async def get_home(reader: TheReader) -> Response:
    """To the INBOX."""
    return RedirectResponse(f"{HOME}/f/{(await reader.folder('inbox')).public_id}", 303)


@router.get(FOLDER)
async def get_folder(folder: str, reader: TheReader) -> Response:
    """The list of a folder."""
    return await show(reader, await reader.folder(folder))


@router.get(MESSAGE)
async def get_message(folder: str, uid: Uid, reader: TheReader, images: bool = False) -> Response:
    """One message beside the list; it counts as read from now on, unless a script renews what stands around it."""
    here = await reader.folder(folder)
    # Nobody who writes knows this place, so no text can name a file there and keep it from the list
    place = f"#{token_hex(16)}"
    message = await reading.read_message(
        reader.parts.mail, reader.place(here.id, uid), lambda section: f"{place}/{section}"
    )
    embedded = await find_embedded(reader.parts.mail, message, message.html or "", place)
    files = [file for file in message.files if file.section not in embedded]
    if not message.row.flags & Flag.SEEN and reader.request.headers.get("hx-target") != _ACTS:
        change = FlagChange(Way.ADD, Flag.SEEN)
        await reader.parts.mail.store_flags(reader.mailbox.id, here.id, ((uid, uid),), change)
        here = await reader.folder(folder)
    names = await reader.parts.mail.keyword_names_of(reader.mailbox.id, message.row.keywords or [])
    words = words_of(message.row.flags | Flag.SEEN, message.row.keywords, names)
    sent = await reader.sent(message.row)
    words = told(words, {one.state for one in sent.fates} if sent else ())
    is_young = here.special_use == "sent" and message.row.received_at > reader.now - _YOUNG
    context: dict[str, Any] = {
        "message": message,
        "files": files,
        "words": words,
        "uid": uid,
        "sent": sent,
        "is_young": is_young,
    }
    if sent or is_young:
        context["outgoing"] = await reader.outgoing()
    return await show(reader, here, show_images=images, **context)


@router.get(MESSAGE + "/body")
async def get_body(folder: str, uid: Uid, reader: TheReader, images: bool = False, alone: bool = False) -> Response:
    """The HTML of a message, made safe, for a frame without scripts and without an origin; or ``alone``, to print."""
    here = await reader.folder(folder)
    base = f"{HOME}/f/{here.public_id}/{uid}/part"
    message = await reading.read_message(
        reader.parts.mail, reader.place(here.id, uid), lambda section: f"{base}/{section}", with_images=images
    )
    page = message.html or str(Markup("<pre>{}</pre>").format(message.text or ""))
    page = _head(message) + page if alone else page
    policy = _POLICY.format(" https: http:" if images else "")
    return HTMLResponse(
        _FRAME.format(await embed_pictures(reader.parts.mail, message, page, base)),
        headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"},
    )


@router.get(MESSAGE + "/part/{section}")
async def get_part(folder: str, uid: Uid, section: str, reader: TheReader) -> Response:
    """What is attached. Only pictures say what they are; everything else is there to keep."""
    here = await reader.folder(folder)
    row = await reading.find_row(reader.parts.mail, here.id, uid)
    part = await reading.find_part(reader.parts.mail, row, section)
    kind = f"{part.media_type}/{part.media_subtype}"
    template = download(b"", "application/octet-stream", file_name(part))
    headers = {name: value for name, value in template.headers.items() if name != "content-length"}
    if kind in KINDS:
        headers["content-disposition"] = headers["content-disposition"].replace("attachment", "inline", 1)
        headers["content-type"] = KINDS[kind]
    return StreamingResponse(reading.stream_part(reader.parts.mail, row, part), headers=headers)


@router.get(MESSAGE + "/source")
async def get_source(folder: str, uid: Uid, reader: TheReader) -> Response:
    """Every byte of a message, to keep."""
    here = await reader.folder(folder)
    row = await reading.find_row(reader.parts.mail, here.id, uid)
    pieces = await reading.open_raw(reader.parts.mail, row.content_id, row.size_bytes, "There is no such message.")
    return stream(pieces, row.size_bytes, "message/rfc822", f"{uid}.eml")


def _head(message: reading.ReadableMessage) -> str:
    """Who wrote what to whom, for a page that stands alone."""
    lines = [(name, message.header(name)) for name in ("from", "to", "cc", "date")]
    told = [Markup("<br><b>{}:</b> {}").format(name.capitalize(), value) for name, value in lines if value]
    subject = message.row.subject or "(no subject)"
    return str(Markup("<title>{0}</title><p><b>{0}</b>{1}</p><hr>").format(subject, Markup("").join(told)))


async def show(reader: Reader, folder: Folder, *, status: int = 200, **context: Any) -> Response:
    """The page of a folder, with a message beside the list where there is one."""
    request = reader.request
    asked = {name: request.query_params.get(name, "").strip() for name in ("q", "all", "show", "after", "before")}
    search = Search(
        text=asked["q"][:500].replace("\0", ""),
        flags=Flag.FLAGGED if asked["show"] == "flagged" else Flag.NONE,
        without_flags=Flag.SEEN if asked["show"] == "unseen" else Flag.NONE,
    )
    is_everywhere = bool(asked["all"] and search.words)
    kept = {name: asked[name] for name in ("q", "all", "show") if asked[name]}
    found = (
        await _find_everywhere(reader, search, asked) if is_everywhere else await _find(reader, folder, search, asked)
    )
    ends = {name: f"?{urlencode(kept | place)}" if place else "" for name, place in found.ends.items()}
    context = {"message": None, "words": [], "uid": None} | context | ends
    if folder.special_use == "sent":
        context["outgoing"] = outgoing = context.get("outgoing") or await reader.outgoing()
        _mark_waiting(found.rows, outgoing)
    context |= {"folder": folder, "rows": found.rows, "is_cut": found.is_cut, "is_everywhere": is_everywhere}
    context |= {"asked": asked, "kept": _query(kept)}
    context["kept_page"] = _query({name: value for name, value in asked.items() if value})
    return await reader.page("mail/box.html", status=status, block=_block(request), outcomes=OUTCOMES, **context)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a list, what leads to the newer and the older one, and whether a search ended before it was full."""

    rows: list[Row]
    ends: dict[str, dict[str, str]]
    is_cut: bool


async def _find(reader: Reader, folder: Folder, search: Search, asked: dict[str, str]) -> Found:
    """What is in a folder, or found there."""
    cursor = DateCursor(_PAGE, _spot(asked["after"]), _spot(asked["before"]))
    page = await reader.parts.mail.read(listing.list_by_date, folder.id, search, cursor)
    rows = await _marked(reader, [(folder, one) for one in page.rows])
    return Found(rows, _ends(folder, cursor, page), page.searched_to is not None)


async def _find_everywhere(reader: Reader, search: Search, asked: dict[str, str]) -> Found:
    """What is found in all folders; the browser knows the way back."""
    folders = {folder.id: folder for folder in await reader.folders()}
    after = read_spot(asked["after"]) if asked["after"] else None
    page = await reader.parts.mail.read(listing.list_everywhere, reader.mailbox.id, search, _PAGE, after)
    rows = await _marked(reader, [(folders[place], one) for place, one in page.rows if place in folders])
    ends = {"newer": {}, "older": {"after": spot_text(page.next)} if page.next else {}}
    return Found(rows, ends, page.next is not None and len(rows) < _PAGE)


async def _marked(reader: Reader, found: list[tuple[Folder, listing.Summary]]) -> list[Row]:
    """Messages with the words for their flags."""
    numbers = listing.keyword_numbers([one for _, one in found])
    names = await reader.parts.mail.keyword_names_of(reader.mailbox.id, numbers)
    rows = [(folder, one, words_of(one.flags, one.keywords, names)) for folder, one in found]
    await tell_states(reader, rows)
    return rows


def _mark_waiting(rows: list[Row], outgoing: Outgoing) -> None:
    """Add the words for what has not left to the messages in Sent."""
    states = {one.message_id: HELD if one.held else SCHEDULED for one in outgoing.letters if one.held or one.scheduled}
    for _, one, words in rows:
        if one.message_id in states:
            words.append(states[one.message_id])


def _block(request: Request) -> str:
    """What a script asks for: the folders and the list, or a message."""
    return "live" if request.headers.get("hx-target", "") == "live" else "message"


def _query(kept: dict[str, str]) -> str:
    return f"?{urlencode(kept)}" if kept else ""


def _ends(folder: Folder, cursor: DateCursor, page: listing.ListedByDate) -> dict[str, dict[str, str]]:
    """What leads from this page to the newer and to the older one; a search goes on where it ended."""
    ends = [Spot(one.received_at, folder.id, one.uid) for one in (*page.rows[:1], *page.rows[-1:])]
    newest, oldest = ends or (None, None)
    is_back = cursor.before is not None
    if is_back:
        newest = page.searched_to or newest
    else:
        oldest = page.searched_to or oldest
    has_newer = cursor.after is not None or (is_back and page.has_more)
    return {
        "newer": {"before": spot_text(newest)} if newest and has_newer else {},
        "older": {"after": spot_text(oldest)} if oldest and (is_back or page.has_more) else {},
    }


def _spot(text: str) -> Spot | None:
    """The place where a page begins; None, which is the top, also for a UID, as pages of older versions name it."""
    try:
        return read_spot(text) if text else None
    except ValidationFailed:
        if find_uid(text) is not None:
            return None
        raise NotFound("There is no such page of the list.") from None
