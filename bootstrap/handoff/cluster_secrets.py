"""What the nodes of one cluster share: its CA and its bootstrap token, made once and kept in files 0600.

With the CA made here, the worker's configuration can pin it (`caCertHashes`) before the cluster exists, so
that no join trusts an unverified API server.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hwdrivers.credentials import Secret


@dataclass(frozen=True)
class ClusterSecrets:
    """PEM texts and the token."""

    ca: str
    ca_key: Secret = field(repr=False)
    token: Secret = field(repr=False)

    def ca_hash(self) -> str:
        """kubeadm's pin: SHA-256 over the CA's SubjectPublicKeyInfo (RFC 7469 section 2.4), in hex."""
        key = x509.load_pem_x509_certificate(self.ca.encode()).public_key()
        info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return "sha256:" + hashlib.sha256(info).hexdigest()


def keep(directory: Path) -> ClusterSecrets:
    """The secrets kept in `directory`; made there the first time."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_file, key_file, token_file = (directory / name for name in ("ca.crt", "ca.key", "bootstrap-token"))
    if not ca_file.exists():
        certificate, key = _new_ca()
        _write(key_file, key)
        _write(token_file, _new_token())
        _write(ca_file, certificate)  # last: its presence says that all three are there
    return ClusterSecrets(ca_file.read_text(), Secret(key_file.read_text()), Secret(token_file.read_text()))


def _new_ca() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        key_encipherment=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _new_token() -> str:
    alphabet = string.ascii_lowercase + string.digits
    parts = ("".join(secrets.choice(alphabet) for _ in range(length)) for length in (6, 16))
    return ".".join(parts)


def _write(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content)
