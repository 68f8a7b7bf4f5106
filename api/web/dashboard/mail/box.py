"""Reading: the list of a folder, one message beside it, its HTML in a frame of its own, and what is attached."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse, StreamingResponse

from api.web.dashboard.downloads import download
from api.web.dashboard.mail.pictures import KINDS, embed_pictures
from api.web.dashboard.mail.readers import HOME, Reader, TheReader
from hourpost.errors import NotFound
from hourpost.mailboxes import listing, reading
from hourpost.mailboxes.flag_words import words_of
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.listing import Search, UidCursor
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.uid_ranges import LAST_UID
from hourpost.rules.mail_flags import Flag

router = APIRouter()

FOLDER = HOME + "/f/{folder}"
MESSAGE = FOLDER + "/{uid}"
Uid = Annotated[int, Path(ge=1, le=LAST_UID)]
_PAGE = 50
_MOST_EVERYWHERE = 100
Row = tuple[Folder, listing.Summary, list[str]]
"""A message in a list: where it lies, what is shown of it, and the words for its flags."""
_FRAME = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light">'
    '<base target="_blank"><style>body{{font:15px/1.5 system-ui,sans-serif;margin:12px;overflow-wrap:anywhere}}'
    "img{{max-width:100%;height:auto}}table{{max-width:100%}}pre{{white-space:pre-wrap}}"
    "blockquote{{border-left:2px solid #ccc;margin:0 0 0 2px;padding-left:12px;color:#555}}a{{color:#0f766e}}</style>{}"
)
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:{}; font-src 'none'; form-action 'none';"
    " frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
OUTCOMES = {"$Delivered": ("Delivered", "good"), "$Bounced": ("Bounced", "bad"), "$Deferred": ("Deferred", "warn")}
"""Keywords of sent mail that say what became of it."""


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
    """One message beside the list; it counts as read from now on."""
    here = await reader.folder(folder)
    message = await reading.read_message(reader.parts.mail, here.id, uid, "#{}".format)
    files = [file for file in message.files if f'"#{file.section}"' not in (message.html or "")]
    if not message.row.flags & Flag.SEEN:
        change = FlagChange(Way.ADD, Flag.SEEN)
        await reader.parts.mail.store_flags(reader.mailbox.id, here.id, ((uid, uid),), change)
        here = await reader.folder(folder)
    names = await reader.parts.mail.keyword_names_of(reader.mailbox.id, message.row.keywords or [])
    words = words_of(message.row.flags | Flag.SEEN, message.row.keywords, names)
    return await show(reader, here, message=message, files=files, words=words, uid=uid, show_images=images)


@router.get(MESSAGE + "/body")
async def get_body(folder: str, uid: Uid, reader: TheReader, images: bool = False) -> Response:
    """The HTML of a message, made safe, for a frame without scripts and without an origin."""
    here = await reader.folder(folder)
    base = f"{HOME}/f/{here.public_id}/{uid}/part"
    message = await reading.read_message(
        reader.parts.mail, here.id, uid, lambda section: f"{base}/{section}", with_images=images
    )
    page = message.html or "<p>This message has no HTML.</p>"
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
    template = download(b"", "application/octet-stream", part.filename or f"part-{section}")
    headers = {name: value for name, value in template.headers.items() if name != "content-length"}
    if kind in KINDS:
        headers["content-disposition"] = headers["content-disposition"].replace("attachment", "inline", 1)
        headers["content-type"] = kind
    return StreamingResponse(reading.stream_part(reader.parts.mail, row, part), headers=headers)


@router.get(MESSAGE + "/source")
async def get_source(folder: str, uid: Uid, reader: TheReader) -> Response:
    """Every byte of a message, to keep."""
    here = await reader.folder(folder)
    row = await reading.find_row(reader.parts.mail, here.id, uid)
    return download(await reading.read_raw(reader.parts.mail, row), "message/rfc822", f"{uid}.eml")


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
    if is_everywhere:
        rows, has_more = await _find_everywhere(reader, search)
        ends: dict[str, Any] = {"newer": "", "older": "", "is_cut": has_more}
    else:
        cursor = UidCursor(_PAGE, _uid(asked["after"]), _uid(asked["before"]))
        found, has_more = await reader.parts.mail.read(listing.list_summaries, folder.id, search, cursor)
        rows = await _marked(reader, [(folder, one) for one in found])
        ends = _pages(kept, cursor, found, has_more) | {"is_cut": False}
    context = {"message": None, "words": [], "uid": None} | context | ends
    context |= {"folder": folder, "rows": rows, "asked": asked, "kept": _query(kept), "is_everywhere": is_everywhere}
    context["kept_page"] = _query({name: value for name, value in asked.items() if value})
    return await reader.page("mail/box.html", status=status, block=_block(request), outcomes=OUTCOMES, **context)


async def _find_everywhere(reader: Reader, search: Search) -> tuple[list[Row], bool]:
    """What is found in all folders, newest first; one page and no more."""
    folders = {folder.id: folder for folder in await reader.folders()}
    found, has_more = await reader.parts.mail.read(
        listing.search_everywhere, reader.mailbox.id, search, _MOST_EVERYWHERE
    )
    return await _marked(reader, [(folders[place], one) for place, one in found if place in folders]), has_more


async def _marked(reader: Reader, found: list[tuple[Folder, listing.Summary]]) -> list[Row]:
    """Messages with the words for their flags."""
    numbers = listing.keyword_numbers([one for _, one in found])
    names = await reader.parts.mail.keyword_names_of(reader.mailbox.id, numbers)
    return [(folder, one, words_of(one.flags, one.keywords, names)) for folder, one in found]


def _block(request: Request) -> str:
    """What a script asks for: the folders and the list, or a message."""
    return "live" if request.headers.get("hx-target", "") == "live" else "message"


def _query(kept: dict[str, str]) -> str:
    return f"?{urlencode(kept)}" if kept else ""


def _pages(kept: dict[str, str], cursor: UidCursor, found: list[listing.Summary], has_more: bool) -> dict[str, str]:
    newer = older = ""
    if found:
        is_back = cursor.before is not None
        if cursor.after is not None or (is_back and has_more):
            newer = f"?{urlencode(kept | {'before': found[0].uid})}"
        if is_back or has_more:
            older = f"?{urlencode(kept | {'after': found[-1].uid})}"
    return {"newer": newer, "older": older}


def _uid(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= LAST_UID:
        raise NotFound("There is no such page of the list.")
    return int(text)
