"""`python -m hourpost.embedded.capture_part HOME`: the capture relay of a home as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from hourpost.embedded.capture_relay import serve_capture_relay
from hourpost.embedded.certificate import Certificate
from hourpost.embedded.ports import LOOPBACK, keep_port
from hourpost.embedded.readiness import mark_ready
from hourpost.embedded.secrets import read_or_make

NAME = "capture"
_USERNAME = "hourpost"


def capture_url(home: Path, certificate: Certificate) -> str:
    """The setting ``relays`` that leads to the capture relay of ``home``."""
    (home / "run").mkdir(mode=0o700, exist_ok=True)
    port, password = keep_port(home / "run" / "capture.port"), read_or_make(home / "run" / "capture.password")
    authority = quote(str(certificate.authority), safe="/")
    return f"smtp://{_USERNAME}:{quote(password)}@{LOOPBACK}:{port}?tls=starttls&ca={authority}"


def serve(home: Path, url: str, certificate: Certificate) -> None:
    """Serve what ``url`` of ``capture_url`` says, until SIGTERM. Raises: OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    asyncio.run(_serve(home, url, context))


async def _serve(home: Path, url: str, context: ssl.SSLContext) -> None:
    address = urlsplit(url)
    server = await serve_capture_relay(
        LOOPBACK,
        address.port or 0,
        home / "captured",
        username=_USERNAME,
        password=unquote(address.password or ""),
        tls_context=context,
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    mark_ready(home, NAME)
    await ended.wait()
    server.close()


def main(home: Path) -> None:
    """The relay of a home whose certificate is there already."""
    folder = home / "tls"
    certificate = Certificate(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    serve(home, capture_url(home, certificate), certificate)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
