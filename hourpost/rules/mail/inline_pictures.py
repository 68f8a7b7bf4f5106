"""Pictures that a message's HTML shows by ``cid:``, written into it, for who reads it without the message."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote

from hourpost.rules.mail.scanned import Part

_KINDS = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml", "image/bmp"))
_MOST_BYTES = 10 * 1024 * 1024
_REFERENCE = re.compile(r"""(?i)(["'])cid:([^"'\s]{1,500}+)\1""")


def inline_pictures(html: str, parts: Iterable[Part], decode: Callable[[Part], bytes]) -> str:
    """The HTML with ``data:`` addresses for its own pictures, as long as all of them are at most 10 MB."""
    pictures = {part.content_id: part for part in parts if part.content_id and _kind_of(part) in _KINDS}
    left = _MOST_BYTES

    def write(found: re.Match[str]) -> str:
        nonlocal left
        part = pictures.get(unquote(found[2]))
        if part is None or part.body_size > left:
            return found[0]
        left -= part.body_size
        return f"{found[1]}data:{_kind_of(part)};base64,{base64.b64encode(decode(part)).decode()}{found[1]}"

    return _REFERENCE.sub(write, html)


def _kind_of(part: Part) -> str:
    return f"{part.media_type}/{part.media_subtype}"
