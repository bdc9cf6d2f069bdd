"""The password of a rescue system: only its hash leaves this process."""

from __future__ import annotations

import ctypes
import secrets
import string
from pathlib import Path

from bootstrap.cli.console import CommandError
from hwdrivers.credentials import Secret

_SALT = string.ascii_letters + string.digits + "./"  # crypt(5)


def generated() -> Secret:
    """A new one, that can be typed."""
    return Secret("-".join(_word() for _ in range(4)))  # 94 bits


def _word() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))


def read(path: Path) -> Secret:
    """The first line of a file; raises CommandError."""
    try:
        password = path.read_text().partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    if not password:
        raise CommandError(f"the first line of {path} is empty")
    return Secret(password)


def hashed(password: Secret) -> Secret:
    """As /etc/shadow has it, salted SHA-512 (crypt(5)); Python's own `crypt` ends with 3.12."""
    salt = "".join(secrets.choice(_SALT) for _ in range(16))
    try:
        crypt = ctypes.CDLL("libcrypt.so.1").crypt
    except OSError as error:
        raise CommandError(f"nothing here can hash a password: {error}; install libcrypt1") from None
    crypt.restype = ctypes.c_char_p
    made: bytes | None = crypt(password.reveal().encode(), f"$6${salt}$".encode())
    if made is None or made.startswith(b"*"):
        raise CommandError("libcrypt does not hash this password")
    return Secret(made.decode())
