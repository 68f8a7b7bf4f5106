"""The TLS of the mail doors (RFC 8314 §4, RFC 9325)."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog
from cryptography import x509

from hourpost.gateways.metrics import CERTIFICATE_ENDS

log = structlog.get_logger()

Stamp = tuple[tuple[int, int, int, int], ...]


def make_tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with the chain and key in these PEM files. Raises: OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_IGNORE_UNEXPECTED_EOF
    context.load_cert_chain(certificate, key)
    return context


class RenewedTls:
    """The TLS of two PEM files, made anew when others take their place: a certificate ends sooner than a door does.

    Raises: OSError, ValueError (ssl.SSLError is both), when it is made.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._stamp = self._complained_of = self._look()
        self.context = self._load()

    def renew(self) -> bool:
        """Whether ``context`` is another one now. Files that cannot be used leave it as it is, and are named once."""
        stamp = self._look()
        if stamp == self._stamp or not stamp:  # nothing new; or one of the two is just being replaced
            return False
        try:
            self.context = self._load()
        except (OSError, ValueError) as error:  # perhaps the other file comes a moment later
            self._complain(stamp, error)
            return False
        self._stamp = stamp
        log.info("the certificate was renewed", certificate=str(self._certificate))
        return True

    def _complain(self, stamp: Stamp, error: Exception) -> None:
        if stamp == self._complained_of:
            return
        self._complained_of = stamp
        log.warning(
            "the new certificate cannot be used, and the one before it serves on",
            certificate=str(self._certificate),
            error=str(error),
            advice="put a chain and its own key there, readable by this user; they are taken by themselves",
        )

    def _look(self) -> Stamp:
        """What changes when a file is written, replaced, linked anew or let be read; empty when one is missing."""
        try:
            found = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return ()
        return tuple((one.st_ino, one.st_mtime_ns, one.st_ctime_ns, one.st_size) for one in found)

    def _load(self) -> ssl.SSLContext:
        context = make_tls_context(self._certificate, self._key)
        leaf = x509.load_pem_x509_certificate(self._certificate.read_bytes())
        CERTIFICATE_ENDS.labels(str(self._certificate)).set(leaf.not_valid_after_utc.timestamp())
        return context
