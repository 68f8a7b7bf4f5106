"""What happens in a mailbox, told as it happens by server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Response
from starlette.requests import Request
from starlette.responses import StreamingResponse

from api.web.dependencies import authenticate
from api.web.parts import Parts
from api.web.v1.documented import download
from api.web.v1.mailbox_folders import folder_view
from api.web.v1.mailbox_places import TheMailbox, mailbox_of
from hourpost.errors import HourpostError, ServiceUnavailable
from hourpost.mailboxes.folders import Folder, list_folders

router = APIRouter(prefix="/mailboxes/{mailbox}", tags=["mailboxes"])

LOOK_SECONDS = 15.0
LASTS_SECONDS = 600.0
FEED_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get("/feed", **download("follow_mailbox", "text/event-stream", "Events, until the connection ends."))
async def follow_mailbox(here: TheMailbox, request: Request) -> Response:
    """Follow a mailbox: `folder` with the folder's counts whenever something in it changes, first for each one.

    Then ask for its `changes` since the `modseq` you know. Word may be lost; every 15 seconds the counts are compared.
    The stream ends after ten minutes: come again, as browsers' EventSource does by itself.
    """

    async def may_go_on() -> bool:
        try:
            caller = await authenticate(request)
            return (await mailbox_of(here.mailbox.public_id, caller, here.parts)).account_id == here.caller.account_id
        except HourpostError as error:
            return not error.permanent

    following = Following(here.parts, here.mailbox.id, may_go_on)
    return StreamingResponse(following.events(), media_type="text/event-stream", headers=FEED_HEADERS)


class Following:
    """One who follows a mailbox, as long as ``may_go_on`` says so."""

    def __init__(self, parts: Parts, mailbox_id: UUID, may_go_on: Callable[[], Awaitable[bool]]) -> None:
        self._parts = parts
        self._mailbox_id = mailbox_id
        self._may_go_on = may_go_on
        self._bell = asyncio.Event()
        self._told: dict[UUID, Folder] = {}
        self._watches: dict[UUID, Callable[[], None]] = {}

    async def events(self) -> AsyncIterator[bytes]:
        """What is written to the stream."""
        until = time.monotonic() + LASTS_SECONDS
        yield b"retry: 2000\n\n"
        try:
            while time.monotonic() < until and not self._parts.ending.is_set() and await self._may_go_on():
                self._bell.clear()
                yield b"".join([_event(*one) for one in await self._look()]) or b": still here\n\n"
                await self._wait()
        finally:
            for leave in self._watches.values():
                leave()

    async def _look(self) -> list[tuple[str, dict[str, Any]]]:
        try:
            folders = {one.id: one for one in await self._parts.mail.read(list_folders, self._mailbox_id)}
        except ServiceUnavailable:
            return []
        is_new = self._watch(folders)
        news = [("folder", folder_view(one)) for one in folders.values() if self._told.get(one.id) != one]
        gone = [self._told[one].public_id for one in self._told.keys() - folders.keys()]
        news += [("folder_deleted", {"object": "folder", "id": one}) for one in gone]
        self._told = folders
        if is_new:  # what came before the watch began
            self._bell.set()
        return news

    def _watch(self, folders: Mapping[UUID, Folder]) -> bool:
        new = folders.keys() - self._watches.keys()
        for folder_id in new:
            self._watches[folder_id] = self._parts.mail.feed.watch(folder_id, lambda _: self._bell.set())
        for folder_id in self._watches.keys() - folders.keys():
            self._watches.pop(folder_id)()
        return bool(new)

    async def _wait(self) -> None:
        """Until something has changed, the process ends, or it is time to look all the same."""
        waits = [asyncio.create_task(event.wait()) for event in (self._bell, self._parts.ending)]
        try:
            await asyncio.wait(waits, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))
