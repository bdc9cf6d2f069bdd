"""sushy-tools: one Redfish BMC per machine, HTTPS on port 443 of its own address."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import sys
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vmlab import domain, libvirtd, namespace
from vmlab.daemon import Daemon
from vmlab.rack import Rack, write_secret
from vmlab.topology import Machine

PORT = 443
ANSWER_WITHIN = 2.0
VALID = datetime.timedelta(days=3650)
# Every request with a password costs one of these; a real BMC's 2**12 rounds would be seconds under load.
BCRYPT_ROUNDS = 4


def daemon(rack: Rack, machine: Machine) -> Daemon:
    return Daemon(
        name=f"redfish-{machine.name}",
        argv=[sys.executable, "-m", "vmlab.redfish_service", str(_folder(rack, machine) / "service.json")],
        env={"TMPDIR": str(_folder(rack, machine))},  # images that it fetches; /tmp may be small
        ready=lambda _: namespace.inside(rack.namespace, lambda: _answers(machine.bmc.address)),
    )


def prepare(rack: Rack, machine: Machine) -> None:
    """Writes the emulator's configuration, its certificate and its accounts."""
    folder = _folder(rack, machine)
    _write_certificate(rack, machine)
    write_secret(folder / "accounts", _account(machine))
    settings = {
        "SUSHY_EMULATOR_LISTEN_IP": str(machine.bmc.address),
        "SUSHY_EMULATOR_LISTEN_PORT": PORT,
        "SUSHY_EMULATOR_SSL_CERT": str(folder / "certificate.pem"),
        "SUSHY_EMULATOR_SSL_KEY": str(folder / "key.pem"),
        "SUSHY_EMULATOR_AUTH_FILE": str(folder / "accounts"),
        "SUSHY_EMULATOR_LIBVIRT_URI": libvirtd.URI,
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_ALLOWED_INSTANCES": [domain.identity(machine)],
        "SUSHY_EMULATOR_VMEDIA_VERIFY_SSL": False,
        "SUSHY_EMULATOR_BOOT_LOADER_MAP": {
            "UEFI": {"x86_64": domain.loader(machine)},
            "Legacy": {"x86_64": None},
        },
        # The default does not match OVMF's 4 MB variant.
        "SUSHY_EMULATOR_SECURE_BOOT_DISABLED_NVRAM": domain.VARIABLES,
        "SUSHY_EMULATOR_SECURE_BOOT_ENABLED_NVRAM": domain.SECURE_VARIABLES,
        # Without an entry /Storage answers 500, and sushy asks again for 30 s.
        "SUSHY_EMULATOR_STORAGE": {domain.identity(machine): []},
    }
    identity = {
        "SerialNumber": machine.serial,
        "Model": domain.product(machine),
        "Manufacturer": domain.MANUFACTURER,
    }
    (folder / "service.json").write_text(json.dumps({"settings": settings, "identity": identity}, indent=2))


def _folder(rack: Rack, machine: Machine) -> Path:
    folder = rack.path / "redfish" / machine.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _account(machine: Machine) -> str:
    import bcrypt

    secret = machine.bmc.password.get_secret_value().encode()
    digest = bcrypt.hashpw(secret, bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    return f"{machine.bmc.username}:{digest}\n"


def _write_certificate(rack: Rack, machine: Machine) -> None:
    """A self-signed certificate, as a BMC has one out of the box; kept once it is there."""
    folder = _folder(rack, machine)
    if (folder / "certificate.pem").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_secret(folder / "key.pem", secret.decode())
    certificate = _self_signed(machine.bmc.address, key).public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(certificate)


def _self_signed(address: IPv4Address, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(address))])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _answers(address: IPv4Address) -> bool:
    """A whole TLS handshake: the port may listen before the certificate is loaded."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((str(address), PORT), timeout=ANSWER_WITHIN) as client,
        unverified.wrap_socket(client) as secured,
    ):
        return secured.version() is not None
