"""Downloads: files that a browser keeps and never shows, whatever they hold."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response


def download(content: bytes, media_type: str, filename: str) -> Response:
    """A file to keep under ``filename`` (RFC 6266, RFC 8187)."""
    plain = "".join(one if one.isascii() and one.isprintable() and one not in '"\\%;' else "_" for one in filename)
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type=media_type, headers=headers)
