"""The checksum that an image must have: as it is typed, or from a list such as SHA512SUMS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pxe.adding.refused import Refused

Algorithm = Literal["sha256", "sha512"]
_DIGITS: dict[int, Algorithm] = {64: "sha256", 128: "sha512"}
# GNU coreutils' "HEX  NAME" and "HEX *NAME"; BSD's "SHA512 (NAME) = HEX".
_GNU = re.compile(r"^([0-9a-fA-F]{64,128})(?:\s+\*?(\S.*))?$")
_BSD = re.compile(r"^SHA(256|512) \((.+)\) = ([0-9a-fA-F]+)$")

HOW = (
    "a checksum is needed, or nobody could tell a damaged image from a good one. Whoever publishes the image "
    "lists it, mostly in SHA512SUMS or SHA256SUMS beside it: --checksum URL of that list, or --checksum "
    "sha512:HEX. Of an image that you made yourself: sha512sum FILE"
)


@dataclass(frozen=True)
class Checksum:
    """A SHA-2 checksum in lower-case hex."""

    algorithm: Algorithm
    digits: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digits}"


def parse(text: str) -> Checksum | None:
    """Of sha256:HEX, sha512:HEX or HEX alone; None where `text` looks like the place of a list."""
    algorithm, colon, digits = text.strip().partition(":")
    if not colon:
        algorithm, digits = "", text.strip()
    if algorithm.lower() in ("md5", "sha1") or re.fullmatch(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}", digits):
        raise Refused(f"'{text}': MD5 and SHA-1 can be forged; give SHA-256 or SHA-512")
    if algorithm.lower() not in ("", "sha256", "sha512"):
        return None
    known = _DIGITS.get(len(digits)) if re.fullmatch(r"[0-9a-fA-F]+", digits) else None
    if known and algorithm.lower() in ("", known):
        return Checksum(known, digits.lower())
    if algorithm:
        raise Refused(
            f"'{text}' is no checksum: {algorithm} has {256 // 4 if '256' in algorithm else 128} hex digits"
        )
    return None


def listed(document: str, name: str) -> Checksum:
    """The checksum of the file `name` in a list; raises Refused when it does not stand there once."""
    entries = list(_entries(document))
    found = {checksum for checksum, file in entries if file in (name, None) or file.endswith(f"/{name}")}
    best = {checksum for checksum in found if checksum.algorithm == "sha512"} or found
    if len(best) == 1:
        return best.pop()
    there = ", ".join(sorted(str(file) for _, file in entries)[:5]) or "nothing"
    many = "more than one checksum" if found else "no checksum"
    raise Refused(f"the list of checksums has {many} for {name}; it is about {there}")


def _entries(document: str) -> list[tuple[Checksum, str | None]]:
    """All checksums of the list, each with the file that it is for (None: of the only file)."""
    found: list[tuple[Checksum, str | None]] = []
    for line in document.splitlines():
        if bsd := _BSD.match(line.strip()):
            digits, file = bsd[3], bsd[2]
        elif gnu := _GNU.match(line.strip()):
            digits, file = gnu[1], gnu[2]
        else:
            continue
        if len(digits) in _DIGITS:
            found.append((Checksum(_DIGITS[len(digits)], digits.lower()), file))
    return found
