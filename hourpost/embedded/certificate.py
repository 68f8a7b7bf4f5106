"""A certificate for the mail doors of a machine that has none: a small authority of its own, and one leaf by it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hourpost.embedded.secrets import write_private

_VALID = timedelta(days=825)
_RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the authority to trust, the leaf with its chain, the leaf's key."""

    authority: Path
    chain: Path
    key: Path


def find_or_make(folder: Path, names: list[str]) -> Certificate:
    """The certificate in ``folder``; a new one when there is none, it ends soon, or it lacks one of ``names``."""
    files = Certificate(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    if not _serves(files, names):
        _make(files, names)
    return files


def _serves(files: Certificate, names: list[str]) -> bool:
    if not all(path.exists() for path in (files.authority, files.chain, files.key)):
        return False
    leaf = x509.load_pem_x509_certificate(files.chain.read_bytes())
    known = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    present = {str(name.value) for name in known}
    return present.issuperset(names) and leaf.not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE


def _make(files: Certificate, names: list[str]) -> None:
    now = datetime.now(UTC) - timedelta(hours=1)
    authority_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hourpost on this machine")])
    authority = (
        x509.CertificateBuilder(
            issuer, issuer, authority_key.public_key(), x509.random_serial_number(), now, now + _VALID
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    leaf = (
        x509.CertificateBuilder(issuer, subject, leaf_key.public_key(), x509.random_serial_number(), now, now + _VALID)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    files.authority.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(files.key, _private(leaf_key))
    authority_pem = authority.public_bytes(serialization.Encoding.PEM).decode()
    write_private(files.authority, authority_pem)
    write_private(files.chain, leaf.public_bytes(serialization.Encoding.PEM).decode() + authority_pem)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, bare).decode()


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
