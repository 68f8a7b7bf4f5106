"""A message's bytes on their way to a relay: dot-stuffed, in pieces, never altered otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PIECE_BYTES = 256 * 1_024
"""Written at once; larger contents are cut so that a slow relay is felt."""


class ContentNotCanonical(ValueError):
    """The content holds bytes that some relay could take for the end of the message."""


def dot_stuff(chunks: Iterable[bytes]) -> list[bytes]:
    """Doubles the dots at line starts (RFC 5321 §4.5.2), also across chunks, and ends the last line.

    The chunks together are canonical content (CRLF only). What could end the message early at a careless relay raises
    ``ContentNotCanonical`` instead of being sent: a dot after a bare CR or LF, and NUL.
    """
    stuffed = []
    tail = b"\r\n"
    for chunk in chunks:
        if chunk:
            stuffed.append(_stuff(chunk, tail))
            tail = (tail + chunk)[-2:] if len(chunk) < 2 else chunk[-2:]
    if tail != b"\r\n":
        if tail[-1:] in (b"\r", b"\n"):
            raise ContentNotCanonical("the content ends in half a line end")
        stuffed.append(b"\r\n")
    return stuffed


def _stuff(chunk: bytes, tail: bytes) -> bytes:
    """Stuffs one chunk; ``tail`` is what was sent right before it (two bytes)."""
    if b"\0" in chunk or b"\r." in chunk:
        raise ContentNotCanonical("the content holds NUL or a bare CR before a dot")
    first = chunk[0]
    if first == 0x2E and tail[-1:] in (b"\r", b"\n"):
        if tail != b"\r\n":
            raise ContentNotCanonical("the content holds a bare CR or LF before a dot")
        chunk = b"." + chunk
    elif first == 0x0A and chunk[1:2] == b"." and tail[-1:] == b"\r":
        return b"\n.." + _stuff_lines(chunk[2:])
    return _stuff_lines(chunk)


def _stuff_lines(chunk: bytes) -> bytes:
    if b"\n." not in chunk:
        return chunk
    if chunk.count(b"\n.") != chunk.count(b"\r\n."):
        raise ContentNotCanonical("the content holds a bare LF before a dot")
    return chunk.replace(b"\r\n.", b"\r\n..")


def pieces_of(chunks: Sequence[bytes]) -> Iterable[bytes | memoryview]:
    """Cuts large chunks so that none is above ``PIECE_BYTES``."""
    for chunk in chunks:
        if len(chunk) <= PIECE_BYTES:
            yield chunk
        else:
            view = memoryview(chunk)
            for start in range(0, len(chunk), PIECE_BYTES):
                yield view[start : start + PIECE_BYTES]
