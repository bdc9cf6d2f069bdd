"""What BMCs and firmware write into a field that nobody filled in."""

from __future__ import annotations

import re
from uuid import UUID

# Seen on Supermicro X9 to X11, ASUS, Gigabyte and white boxes with AMI firmware. Taken as serial numbers they
# would make many machines look like one.
_PLACEHOLDERS = {
    "",
    "0",
    "0123456789",
    "default string",
    "free form asset tag",
    "n/a",
    "na",
    "nil",
    "none",
    "not available",
    "not specified",
    "null",
    "system manufacturer",
    "system product name",
    "system serial number",
    "to be filled by o.e.m.",
    "unknown",
    "unspecified",
}

# HPE Cray EX235a: "00000000000000"; Intel S2600BPB: "....................";
# Gigabyte H262: "01234567890123456789AB".
_FILLED = re.compile(r"([0.*#?_xXfF-])\1{3,}|(0123456789)+(AB|ABCDEF)?|\.+|-+")


def told(value: object) -> str | None:
    """`value` as a text without surrounding blanks, or None when it tells nothing."""
    if not isinstance(value, str):
        return None
    text = value.replace("\x00", "").strip()
    return None if text.lower() in _PLACEHOLDERS or _FILLED.fullmatch(text) else text


def told_uuid(value: object) -> str | None:
    """A UUID in lower case with dashes; None for anything else, and for all zeros or all ones."""
    try:
        uuid = UUID(value) if isinstance(value, str) else UUID(int=0)
    except ValueError:
        return None
    return None if uuid.int in (0, 2**128 - 1) else str(uuid)
