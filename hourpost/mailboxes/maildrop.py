"""The maildrop: INBOX as POP3 sees it, all of it at one moment, and emptied in one transaction."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.errors import NotFound
from hourpost.gateways.maildrop_locks import MaildropLocks
from hourpost.mailboxes.contents import read_contents
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.uid_ranges import ranges_of
from hourpost.rules.mail.surrogates import Patch, Patching

# Numbers of four and ids of sixteen bytes in network order: a hundred thousand messages come as three values
_OPEN = HotStatement(
    """
SELECT f.id, f.uidvalidity, m.uids, m.sizes, m.contents, (
    SELECT array_agg(u.content_id) FROM messages n JOIN unended_contents u USING (content_id) WHERE n.folder_id = f.id
  ) AS unended, s.patched, s.growths FROM folders f CROSS JOIN LATERAL (
  SELECT array_agg(s.content_id) AS patched, array_agg(s.growth) AS growths
  FROM messages n JOIN surrogates s USING (content_id) WHERE n.folder_id = f.id
) s CROSS JOIN LATERAL (
  SELECT string_agg(int4send(uid), '' ORDER BY uid) AS uids, string_agg(int4send(size_bytes), '' ORDER BY uid) AS sizes,
    string_agg(uuid_send(content_id), '' ORDER BY uid) AS contents
  FROM messages WHERE folder_id = f.id
) m
WHERE f.mailbox_id = :mailbox AND f.name = 'INBOX'
"""
)
_PATCHES = HotStatement(
    "SELECT content_id, places, sizes, texts FROM surrogates WHERE content_id = ANY(CAST(:contents AS uuid[]))"
)
_CHUNK = HotStatement("SELECT bytes FROM content_chunks WHERE content_id = :content AND number = :number")


@dataclass(frozen=True, slots=True)
class Maildrop:
    """INBOX as it was at one moment; message 1 is the first of each list. ``contents`` has 16 bytes a message.

    Sizes are those of what POP3 writes, before dots are doubled: a last line without an end is given one. The contents
    in ``patched`` hold UTF-8 in their headers, which is not for this client.
    """

    mailbox_id: UUID
    folder_id: UUID
    uidvalidity: int
    uids: array[int]
    sizes: array[int]
    contents: bytes
    size_bytes: int
    patched: frozenset[UUID] = frozenset()

    def content_id(self, number: int) -> UUID:
        """Where the bytes of a message are."""
        return UUID(bytes=self.contents[16 * number - 16 : 16 * number])


class Maildrops:
    """The maildrops of all mailboxes, for one process."""

    def __init__(self, store: MailStore, locks: MaildropLocks) -> None:
        self.locks = locks
        self._store = store

    async def open(self, mailbox_id: UUID, *, is_utf8: bool = False) -> Maildrop:
        """INBOX as it is now, for a client that takes UTF-8 in headers or not. Raises: NotFound, ServiceUnavailable."""
        return await self._store.read(_open, mailbox_id, is_utf8=is_utf8)

    async def read(self, maildrop: Maildrop, numbers: Sequence[int]) -> dict[int, bytes]:
        """The bytes of these messages; those whose content is gone are missing. Raises: ServiceUnavailable."""
        ids = {maildrop.content_id(number): number for number in numbers}
        found = await self._store.read(_read_patched, maildrop, list(ids))
        return {number: found[content_id] for content_id, number in ids.items() if content_id in found}

    async def stream(self, maildrop: Maildrop, number: int) -> AsyncIterator[bytes]:
        """The bytes of one message in pieces of 256 KiB. Raises: ServiceUnavailable."""
        content_id, piece = maildrop.content_id(number), 0
        patches = (await self._store.read(_read_patches, maildrop, [content_id])).get(content_id, ())
        patching = Patching(patches)
        while (chunk := await self._store.read(_read_chunk, content_id, piece)) is not None:
            yield patching.feed(chunk)
            piece += 1

    async def finish(self, maildrop: Maildrop, deleted: Iterable[int], seen: Iterable[int]) -> None:
        r"""Remove what is marked, in one transaction; what was fetched and stays is \Seen to other clients.

        Raises: NotFound, ServiceUnavailable: whether anything was removed is then unknown.
        """
        gone = ranges_of(maildrop.uids[number - 1] for number in deleted)
        kept = ranges_of(maildrop.uids[number - 1] for number in seen)
        if gone or kept:
            await self._store.remove_and_see(maildrop.mailbox_id, maildrop.folder_id, gone, kept)


async def _open(connection: Connection, mailbox_id: UUID, *, is_utf8: bool) -> Maildrop:
    rows = await _OPEN.run(connection, {"mailbox": mailbox_id})
    if not rows:
        raise NotFound("There is no such mailbox.")
    row = rows[0]
    sizes, contents = _to_numbers(row.sizes), bytes(row.contents or b"")
    for unended in set(row.unended or ()):
        for number in _find(contents, unended):
            sizes[number] += len(b"\r\n")
    patched = {} if is_utf8 else dict(zip(row.patched or (), row.growths or (), strict=True))
    for content_id, growth in patched.items():
        for number in _find(contents, content_id):
            sizes[number] += growth
    uids, total = _to_numbers(row.uids), sum(sizes)
    return Maildrop(mailbox_id, row.id, row.uidvalidity, uids, sizes, contents, total, frozenset(patched))


async def _read_patched(connection: Connection, maildrop: Maildrop, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    found = await read_contents(connection, ids)
    for content_id, patches in (await _read_patches(connection, maildrop, list(found))).items():
        found[content_id] = Patching(patches).feed(found[content_id])
    return found


async def _read_patches(connection: Connection, maildrop: Maildrop, ids: Sequence[UUID]) -> dict[UUID, Iterable[Patch]]:
    """What is to be put into these contents, of those that need it."""
    wanted = [content_id for content_id in ids if content_id in maildrop.patched] if maildrop.patched else []
    rows = await _PATCHES.run(connection, {"contents": wanted}) if wanted else ()
    return {row.content_id: list(map(Patch, row.places, row.sizes, map(bytes, row.texts))) for row in rows}


def _find(contents: bytes, content_id: UUID) -> Iterator[int]:
    """Where this content is, from 0."""
    at = contents.find(content_id.bytes)
    while at >= 0:
        number, rest = divmod(at, 16)
        if rest == 0:
            yield number
        at = contents.find(content_id.bytes, at + 1)


def _to_numbers(packed: bytes | None) -> array[int]:
    numbers = array("I", packed or b"")
    numbers.byteswap()
    return numbers


async def _read_chunk(connection: Connection, content_id: UUID, number: int) -> bytes | None:
    rows = await _CHUNK.run(connection, {"content": content_id, "number": number})
    return bytes(rows[0][0]) if rows else None
