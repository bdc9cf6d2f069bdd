"""Detached OpenPGP signatures, checked by gpgv against keys that the operator trusts."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from enum import StrEnum
from pathlib import Path

from pxe.adding.refused import Refused
from pxe.build.manifest import Signature
from pxe.process import environment, require

_ARMOUR = re.compile(
    rb"-----BEGIN PGP [A-Z ]+-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n(.*?)(?:\r?\n=[\w+/]{4})?\s*-----END PGP", re.S
)


class Verdict(StrEnum):
    """What gpgv's status lines come to (doc/DETAILS of GnuPG)."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN_KEY = "unknown key"
    EXPIRED_KEY = "expired key"
    REVOKED_KEY = "revoked key"
    UNREADABLE = "unreadable"


class OtherBytes(Refused):
    """A key that is trusted signed something else."""


_STATUS = {
    "GOODSIG": Verdict.GOOD,
    "BADSIG": Verdict.BAD,
    "EXPSIG": Verdict.EXPIRED_KEY,
    "EXPKEYSIG": Verdict.EXPIRED_KEY,
    "REVKEYSIG": Verdict.REVOKED_KEY,
    "ERRSIG": Verdict.UNKNOWN_KEY,
}


def check(signed: Path, signature: bytes, keyring: Path, of: str) -> Signature:
    """Who signed the file; `of` says in errors what that is. Raises Refused."""
    require("gpgv")
    with tempfile.TemporaryDirectory() as folder:
        keys, detached = Path(folder, "keys.gpg"), Path(folder, "signature")
        keys.write_bytes(_binary(_read(keyring)))
        detached.write_bytes(signature)
        argv: list[str | Path] = [
            "gpgv",
            "--homedir",
            folder,
            "--status-fd",
            "1",
            "--keyring",
            keys,
            detached,
            signed,
        ]
        answer = subprocess.run(argv, capture_output=True, check=False, env=environment({}), text=True)
    verdict, key, signer = judge(answer.stdout)
    if verdict is Verdict.GOOD:
        return Signature(key=key, signer=signer, of=of)
    kind = OtherBytes if verdict is Verdict.BAD else Refused
    raise kind(f"the signature of the {of} is not accepted ({verdict}): {_words(verdict, key, keyring)}")


def judge(status: str) -> tuple[Verdict, str, str]:
    """Verdict, fingerprint (or key id) and the signer's name, from the lines of --status-fd.

    One signature that is not good spoils all: whoever signed twice meant both.
    """
    lines = [line.split(" ", 3)[1:] for line in status.splitlines() if line.startswith("[GNUPG:] ")]
    judged = [(_STATUS[line[0]], line[1], line[-1]) for line in lines if line[0] in _STATUS and len(line) > 1]
    fingerprint = next((line[1] for line in lines if line[0] == "VALIDSIG"), "")
    if not judged:
        return Verdict.UNREADABLE, "", ""
    worst = next((found for found in judged if found[0] is not Verdict.GOOD), judged[0])
    if worst[0] is Verdict.GOOD and not fingerprint:
        return Verdict.UNREADABLE, "", ""
    signer = "" if worst[0] is Verdict.UNKNOWN_KEY else worst[2]
    return worst[0], fingerprint or worst[1], signer


def _words(verdict: Verdict, key: str, keyring: Path) -> str:
    match verdict:
        case Verdict.BAD:
            return f"it was made by key {key} for other bytes: one of the two was changed"
        case Verdict.UNKNOWN_KEY:
            return f"{keyring} does not have key {key}: get it from whoever publishes the image, and check it"
        case Verdict.UNREADABLE:
            return "it is no detached OpenPGP signature"
    return f"key {key}"


def _binary(keys: bytes) -> bytes:
    """Without ASCII armour (RFC 9580 section 6.2), which gpgv 2.2 takes for an empty keyring."""
    blocks = _ARMOUR.findall(keys)
    return b"".join(base64.b64decode(block) for block in blocks) if blocks else keys


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
