"""Who a mailbox has to do with: those it wrote to, the last one first, then those who wrote to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.rules.addresses import Address, AddressError, parse_address
from hourpost.rules.header_text import make_safe

MOST = 500
_LOOKED_AT = 500  # of the latest messages of a folder
_LATEST = HotStatement(
    """
SELECT f.name <> 'INBOX' AS is_sent, CASE WHEN f.name = 'INBOX' THEN c.from_text ELSE c.to_text END AS people
FROM folders f CROSS JOIN LATERAL (
  SELECT m.uid, m.content_id FROM messages m WHERE m.folder_id = f.id ORDER BY m.uid DESC LIMIT :most
) m JOIN message_contents c ON c.content_id = m.content_id
WHERE f.mailbox_id = :mailbox AND (f.special_use = 'sent' OR f.name = 'INBOX')
ORDER BY f.name = 'INBOX', m.uid DESC
"""
)
# As lists keep them: ``"Lee, Ann" <ann@example.org>, bob@example.org``; those of old scans have commas without quotes
_PERSON = re.compile(
    r'([^\s<>,"]+@[^\s<>,"]+)(?:, |$)|(?:"((?:[^"\\]|\\.)*+)"|([^<>"]+?)) <([^\s<>]+@[^\s<>]+)>(?:, |$)'
)
_PAIR = re.compile(r"\\(.)")
_NOBODY = re.compile(r"no-?reply|do-?not-?reply|mailer-daemon|postmaster|bounces?\b", re.IGNORECASE)


async def list_correspondents(connection: Connection, mailbox_id: UUID, own: Iterable[str]) -> list[str]:
    """Addresses with their names, as one writes them, ``MOST`` at most and none of its ``own``."""
    rows = await _LATEST.run(connection, {"mailbox": mailbox_id, "most": _LOOKED_AT})
    found: dict[str, Address] = {}
    hidden = {one.lower() for one in own}
    for row in rows:
        for person in read_people(row.people):
            spec = person.spec.lower()
            if spec in hidden or (not row.is_sent and _NOBODY.search(person.local)):
                continue
            if spec not in found or not found[spec].display_name:
                found[spec] = person if spec not in found else replace(found[spec], display_name=person.display_name)
        if len(found) >= MOST:
            break
    return [one.text for one in found.values()][:MOST]


def read_people(text: str) -> list[Address]:
    """The people of a line as lists keep it; who cannot be written to is left out."""
    found = []
    for match in _PERSON.finditer(text):
        bare, quoted, words, spec = match.groups()
        name = words or _PAIR.sub(r"\1", quoted or "")
        try:
            person = replace(parse_address(bare or spec), display_name=make_safe(name).strip())
            found.append(parse_address(person.text))
        except AddressError:
            continue
    return found
