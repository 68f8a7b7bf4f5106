"""The base subject of a message, by which threads and sorts see through Re: and Fwd: (RFC 5256 §2.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

from hourpost.rules.mail.folding import case_map

_BLANKS = re.compile(r"[ \t\r\n]+")
_TRAILER = re.compile(r"(?:\(fwd\)|[ \t])\Z", re.IGNORECASE)
_BLOB = r"\[[^\[\]]*+\][ \t]*+"
_BLOBS = re.compile(f"(?>(?:{_BLOB})+)")
_ONE_BLOB = re.compile(_BLOB)
_REPLY = re.compile(rf"(?:re|fwd?)[ \t]*+(?:{_BLOB})?:", re.IGNORECASE)
_FORWARD_HEAD = "[fwd:"
# A subject longer than a line of a header is compared by its first characters
MAX_SUBJECT_CHARACTERS = 2000


class BaseSubject(NamedTuple):
    """The base subject, case-mapped to be compared by code point, and whether a Re: or Fwd: was taken away."""

    key: str
    is_reply: bool


def find_base_subject(subject: str) -> BaseSubject:
    """The base subject of a decoded subject."""
    text = _BLANKS.sub(" ", subject[:MAX_SUBJECT_CHARACTERS])
    is_reply = False
    while True:
        text, had_trailer = _strip_trailers(text)
        text, had_leader = _strip_leaders(text)
        is_reply = is_reply or had_trailer or had_leader
        if not (text[:5].lower() == _FORWARD_HEAD and text.endswith("]")):
            return BaseSubject(case_map(text), is_reply)
        text, is_reply = text[5:-1], True


def _strip_trailers(text: str) -> tuple[str, bool]:
    found = False
    while match := _TRAILER.search(text, max(0, len(text) - 5)):
        found = found or match[0].startswith("(")
        text = text[: match.start()]
    return text, found


def _strip_leaders(text: str) -> tuple[str, bool]:
    """Take away blanks, ``Re:`` with its [blobs], then one [blob] that is not all there is, again and again."""
    found, at, size = False, 0, len(text)
    while True:
        while at < size and text[at] in " \t":
            at += 1
        blobs = _BLOBS.match(text, at)
        reply = _REPLY.match(text, at if blobs is None else blobs.end())
        if reply is not None:
            found, at = True, reply.end()
            continue
        blob = _ONE_BLOB.match(text, at)
        if blob is None or blob.end() == size:
            return text[at:], found
        at = blob.end()
