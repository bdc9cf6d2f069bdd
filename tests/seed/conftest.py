from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import settings
from seed_machine import Machine
from seed_world import KEY, World

from seed.store import Store

settings.register_profile("seed", deadline=None)  # a busy machine is not a bug
settings.load_profile("seed")


def self_signed(address: str) -> tuple[str, str]:
    """A certificate as the agent makes it at start (PEM), and its key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), private.decode()


@pytest.fixture(scope="session")
def ca() -> str:
    return self_signed("10.0.0.101")[0]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as it is before anything happens."""
    path = tmp_path_factory.mktemp("seed") / "template.sqlite"
    store = Store(path, Fernet(KEY))
    store.migrate()
    store.close()
    return path


@pytest.fixture
def make_world(tmp_path: Path, ca: str, template: Path) -> Callable[..., World]:
    """Makes worlds; without machines named, of one machine."""

    def make(*machines: Machine, folder: str = "world", fast_track: bool = False) -> World:
        place = tmp_path / folder
        place.mkdir()
        return World(place, *(machines or (Machine(),)), ca=ca, template=template, fast_track=fast_track)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
