"""Downloads: files that a browser keeps and never shows, whatever they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse


def download(content: bytes, media_type: str, filename: str) -> Response:
    """A file to keep under ``filename`` (RFC 6266, RFC 8187)."""
    return Response(content, media_type=media_type, headers=_headers(filename))


def stream(pieces: AsyncIterator[bytes], size_bytes: int, media_type: str, filename: str) -> Response:
    """The same, of ``size_bytes`` that come in pieces."""
    headers = _headers(filename) | {"Content-Length": str(size_bytes)}
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


def _headers(filename: str) -> dict[str, str]:
    plain = "".join(one if one.isascii() and one.isprintable() and one not in '"\\%;' else "_" for one in filename)
    return {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
