"""The words of a page line by line, as a plain text beside it would have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from hourpost.rules.mail.html_tags import Tag, read_tags
from hourpost.rules.mail.html_text import decode_entities, read_html

_SPACE = re.compile(r"\s+")
_BREAK = re.compile(r"<(br|hr|/p|/div|/tr|/li|/h[1-6]|/blockquote|/table)\b[^<>]*>", re.IGNORECASE)
_EMPTY = re.compile(r"\n{3,}")
_SCHEME = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)


def read_lines(page: str, *, with_links: bool = False) -> str:
    """The words of a page that was made safe, a line for each of its own; ``with_links``, and where these lead."""
    page = "".join(_write_links(page)) if with_links else page
    page = _BREAK.sub(lambda tag: "\n\n" if tag[1].lower() == "/p" else "\n", _SPACE.sub(" ", page))
    lines = "\n".join(" ".join(line.split()) for line in read_html(page).split("\n"))
    return _EMPTY.sub("\n\n", lines)


def _write_links(page: str) -> Iterator[str]:
    """The page with the address of each link behind what is seen of it."""
    leads_to, seen = "", list[str]()
    for token in read_tags(page):
        if isinstance(token, str):
            seen.append(token)
            yield token
        elif token.name == "a":
            yield _address(leads_to, "".join(seen))
            leads_to, seen = "" if token.is_end else token.attributes.get("href", ""), []
        else:
            words = escape(token.attributes.get("alt", "")) if leads_to and token.name == "img" else ""
            seen.append(words or "[…]" if token.name == "img" else "")
            yield words + _bare(token)


def _bare(tag: Tag) -> str:
    return f"</{tag.name}>" if tag.is_end else f"<{tag.name}>"


def _address(leads_to: str, seen: str) -> str:
    """The address in angle brackets, unless the words are the same or nothing is there to be clicked on."""
    is_web = leads_to[:4].lower() == "http"
    address = leads_to if is_web else _SCHEME.sub("", leads_to, count=1).partition("?")[0]
    words = " ".join(decode_entities(seen).split())
    if not words or not leads_to or _plain(words) == _plain(address):
        return ""
    return f" &lt;{escape(''.join(address.split()), quote=False)}&gt;"


def _plain(address: str) -> str:
    return _SCHEME.sub("", address, count=1).rstrip("/").lower()
