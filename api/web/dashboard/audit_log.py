"""The account's audit log."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.dependencies import cursor_of, pager_links
from api.web.dashboard.visitors import Manager
from hourpost.accounts.audit import PREFIX, list_entries

_LIMIT = 50

router = APIRouter()


@router.get("/app/audit")
async def get_audit(request: Request, visitor: Manager) -> Response:
    """One page of who did what."""
    cursor = cursor_of(request, PREFIX, _LIMIT)
    async with visitor.parts.database.reading() as connection:
        page = await list_entries(connection, visitor.account.id, cursor)
    ends = (page.data[0].public_id, page.data[-1].public_id) if page.data else ("", "")
    links = pager_links(request, cursor, page, *ends)  # type: ignore[arg-type]  # it looks at no entry
    return await visitor.page("audit.html", entries=page.data, links=links)
