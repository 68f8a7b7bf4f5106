"""The words of a page line by line, as a plain text beside it would have them."""

from __future__ import annotations

import re

from hourpost.rules.mail.html_text import read_html

_SPACE = re.compile(r"\s+")
_BREAK = re.compile(r"<(br|hr|/p|/div|/tr|/li|/h[1-6]|/blockquote|/table)\b[^<>]*>", re.IGNORECASE)
_EMPTY = re.compile(r"\n{3,}")


def read_lines(page: str) -> str:
    """The words of a page that was made safe, a line for each of its own."""
    page = _BREAK.sub(lambda tag: "\n\n" if tag[1].lower() == "/p" else "\n", _SPACE.sub(" ", page))
    lines = "\n".join(" ".join(line.split()) for line in read_html(page).split("\n"))
    return _EMPTY.sub("\n\n", lines)
