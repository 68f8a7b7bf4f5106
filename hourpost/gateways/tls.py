"""The TLS of the mail doors (RFC 8314 §4, RFC 9325)."""

from __future__ import annotations

import ssl
from pathlib import Path


def make_tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with the chain and key in these PEM files. Raises: OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_IGNORE_UNEXPECTED_EOF
    context.load_cert_chain(certificate, key)
    return context
