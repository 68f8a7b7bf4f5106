"""Suppressions: the addresses that are not sent to; found, added, removed, brought in and taken out as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from starlette.datastructures import UploadFile
from starlette.responses import StreamingResponse

from api.web.dashboard.filters import plural
from api.web.dashboard.forms import read_form, without_nul
from api.web.dashboard.visitors import Reader, Sender, Visitor
from hourpost.accounts import audit
from hourpost.errors import Fault, Refused, ValidationFailed
from hourpost.pages import MAX_LIMIT, Cursor, Page
from hourpost.rules.ids import from_text, to_text
from hourpost.suppressions import changes, queries
from hourpost.suppressions.queries import Reason, Suppression

router = APIRouter()

PATH = "/app/suppressions"
_PAGE = 50
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_LINES = 100_000
_FAULTS_SHOWN = 20
_ADDRESS_NAMES = frozenset(
    {"email", "e-mail", "address", "email address", "emailaddress", "email_address", "recipient"}
)
_COLUMNS = ("email", "reason", "since")


@router.get(PATH)
async def list_page(request: Request, visitor: Reader) -> Response:
    """The list, or those addresses that have in them what is looked for."""
    return await _list(request, visitor)


@router.post(PATH)
async def post_suppression(request: Request, visitor: Sender) -> Response:
    """Suppress an address."""
    form = await read_form(request)
    try:
        async with visitor.parts.database.transaction() as connection:
            (added,) = await changes.add_suppressions(
                connection, visitor.account.id, [form.get("email", "")], visitor.now
            )
            await audit.note(connection, visitor.actor(), "suppression_added", visitor.now, name=added.address)
    except ValidationFailed as error:
        faults = {"email": error.faults[0].detail}
        return await _list(request, visitor, form=form, faults=faults, status=422)
    return visitor.redirect(PATH, f"Nothing is sent to {form['email']} any more.")


@router.post(PATH + "/remove")
async def post_remove(request: Request, visitor: Sender) -> Response:
    """Take an address off the list: it is sent to again."""
    form = await read_form(request)
    async with visitor.parts.database.transaction() as connection:
        removed = await changes.remove_suppression(connection, visitor.account.id, form.get("id", ""))
        await audit.note(connection, visitor.actor(), "suppression_removed", visitor.now, name=removed.address)
    return visitor.redirect(PATH, f"{removed.address} is sent to again.")


@router.post(PATH + "/import")
async def post_import(request: Request, visitor: Sender) -> Response:
    """Suppress every address of a CSV file, all or none of them."""
    try:
        addresses = _addresses_of(await _read_file(request))
        async with visitor.parts.database.transaction() as connection:
            for start in range(0, len(addresses), changes.MAX_BATCH):
                some = addresses[start : start + changes.MAX_BATCH]
                await changes.add_suppressions(connection, visitor.account.id, some, visitor.now)
            count = plural(len(addresses), "address", "addresses")
            await audit.note(connection, visitor.actor(), "suppressions_imported", visitor.now, name=count)
    except Refused as error:
        return await _list(request, visitor, faults=_by_line(error), status=422)
    return visitor.redirect(PATH, f"{count} {'is' if len(addresses) == 1 else 'are'} on the list.")


@router.get(PATH + "/export")
async def get_export(visitor: Reader) -> Response:
    """All of them as CSV; cells that a spreadsheet would take for a formula are marked as text."""
    headers = {"Content-Disposition": 'attachment; filename="suppressions.csv"'}
    return StreamingResponse(_export(visitor), media_type="text/csv; charset=utf-8", headers=headers)


async def _export(visitor: Visitor) -> AsyncIterator[str]:
    yield ",".join(_COLUMNS) + "\r\n"
    place = Cursor(MAX_LIMIT)
    while True:
        async with visitor.parts.database.reading() as connection:
            page = await queries.list_suppressions(connection, visitor.account.id, place)
        written = io.StringIO()
        csv.writer(written).writerows(
            [safe_cell(one.address), one.reason, one.created_at.isoformat()] for one in page.data
        )
        yield written.getvalue()
        if not page.has_more:
            return
        place = Cursor(MAX_LIMIT, page.data[-1].id)


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


async def _read_file(request: Request) -> str:
    async with request.form(max_files=1, max_part_size=MAX_FILE_BYTES) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise ValidationFailed([Fault("/file", "choose a CSV file")])
        raw = await file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValidationFailed([Fault("/file", f"the file has more than {MAX_FILE_BYTES // 1024 // 1024} MB")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValidationFailed([Fault("/file", "the file is not UTF-8 text")]) from None


def _addresses_of(text: str) -> list[str]:
    """The addresses of all lines that have one, without the mark of ``safe_cell``.

    They stand in the column that the heading names so, or in the first; cells have commas, semicolons or tabs between
    them, as the first line has them.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    first = lines.partition("\n")[0]
    try:
        table = list(csv.reader(io.StringIO(lines), delimiter=max(",;\t", key=first.count)))
    except csv.Error as error:
        raise ValidationFailed([Fault("/file", f"the file cannot be read as CSV: {error}")]) from None
    column = 0
    if table and not any("@" in cell for cell in table[0]):
        names = [cell.strip().lower() for cell in table.pop(0)]
        column = next((number for number, name in enumerate(names) if name in _ADDRESS_NAMES), 0)
    cells = [row[column].strip().removeprefix("'") for row in table if len(row) > column]
    rows = [cell for cell in cells if cell]
    if not rows:
        raise ValidationFailed([Fault("/file", "the file holds no address")])
    if len(rows) > MAX_LINES:
        raise ValidationFailed([Fault("/file", f"at most {MAX_LINES:,} lines at a time")])
    return rows


def _by_line(error: Refused) -> dict[str, str]:
    if not isinstance(error, ValidationFailed):
        return {"file": error.message}
    told = [one.detail for one in error.faults[:_FAULTS_SHOWN]]
    more = len(error.faults) - len(told)
    return {"file": "; ".join(told) + (f"; and {more} more" if more else "")}


async def _list(
    request: Request,
    visitor: Visitor,
    *,
    form: dict[str, str] | None = None,
    faults: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    asked = request.query_params
    wanted, reason = without_nul(asked.get("q", "")).strip(), asked.get("reason", "")
    after = from_text(queries.PREFIX, asked.get("after", ""))
    chosen, place = Reason(reason) if reason in list(Reason) else None, Cursor(_PAGE, after)
    async with visitor.parts.database.reading() as connection:
        if wanted:
            page = await queries.find_suppressions(connection, visitor.account.id, wanted, place, chosen)
        else:
            page = await queries.list_suppressions(connection, visitor.account.id, place, chosen)
    context = {
        "q": wanted,
        "reason": reason,
        "found": page.data,
        "older": _older({"q": wanted, "reason": reason}, page),
        "reasons": list(Reason),
    }
    return await visitor.page(
        "suppressions.html", block="results", status=status, form=form or {}, faults=faults or {}, **context
    )


def _older(asked: dict[str, str], page: Page[Suppression]) -> str:
    """The address of the next page, "" where there is none; a search goes on from where it ended."""
    if not page.has_more:
        return ""
    last = page.searched_to or page.data[-1].id
    named = {name: value for name, value in asked.items() if value}
    return f"{PATH}?{urlencode(named | {'after': to_text(queries.PREFIX, last)})}"
