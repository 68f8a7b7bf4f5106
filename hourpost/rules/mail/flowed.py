"""Text in which long lines were broken softly (RFC 3676): joined again, so that it fits any width and can be quoted."""

from __future__ import annotations

SIGNATURE = "-- "


def join_flowed(text: str, *, drops_space: bool = False) -> str:
    """The text with its paragraphs in one line each; lines quoted to another depth are never joined.

    ``drops_space`` is DelSp=yes: the space at the end of a soft line was added with the break.
    """
    joined: list[str] = []
    open_depth: int | None = None  # of the line before, where it goes on
    for line in text.split("\n"):
        depth, words = _split(line)
        is_soft = words.endswith(" ") and words != SIGNATURE
        if is_soft and drops_space:
            words = words[:-1]
        if open_depth == depth and words != SIGNATURE:
            joined[-1] += words
        else:
            joined.append(">" * depth + (" " if depth and words else "") + words)
        open_depth = depth if is_soft else None
    return "\n".join(joined)


def _split(line: str) -> tuple[int, str]:
    """How deep a line is quoted, and its words without the space that was stuffed in front."""
    words = line.lstrip(">")
    depth = len(line) - len(words)
    return depth, words.removeprefix(" ")
