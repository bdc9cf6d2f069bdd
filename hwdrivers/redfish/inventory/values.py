"""Numbers as BMCs write them, in the unit that the field has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

KIB, MIB, GIB = 1024, 1024**2, 1024**3
_LARGEST = 2**63  # what is larger is no count of anything


def decimal(value: object) -> float | None:
    """A number above zero, also where it is written as a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 < number < _LARGEST else None


def positive(value: object) -> int | None:
    """A whole number above zero; disk sizes are larger than what a float holds exactly."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 < value < _LARGEST else None
    number = decimal(value)
    return round(number) if number and number >= 0.5 else None


def total(values: Iterable[int | None]) -> int | None:
    """Their sum; None where nobody told any."""
    told = [value for value in values if value]
    return sum(told) if told else None


def mhz(value: object) -> float | None:
    """A clock: 2.4 is GHz, 2400000000 is Hz; 65535 is SMBIOS for "unknown"."""
    number = decimal(value)
    if number is None or number == 0xFFFF:
        return None
    if number < 10:
        return number * 1000
    return number / 1e6 if number >= 1e6 else number


def link_mbps(value: object) -> int | None:
    """SpeedMbps. Some tell bits/s; all bits set (SMBIOS, SNMP) is "unknown"."""
    number = positive(value)
    if number is None or number in (0xFFFF, 0xFFFFFFFF):
        return None
    return number // 1_000_000 if number >= 10_000_000 else number


def gbps(value: object) -> int | None:
    """CurrentSpeedGbps, as Mbit/s."""
    number = decimal(value)
    return round(number * 1000) if number else None


def drive_bytes(value: object) -> int | None:
    """CapacityBytes. Cisco UCS S3260 (CIMC 4) tells MiB: no drive has less than 64 million bytes."""
    number = positive(value)
    return number * MIB if number and 1000 <= number < 64_000_000 else number


def module_mib(value: object) -> int | None:
    """CapacityMiB of one memory module.

    Bytes, KiB and GiB are told apart by what modules there are: 256 MiB to 4 TiB.
    """
    number = decimal(value)
    if number is None:
        return None
    if number >= GIB:
        number /= MIB
    elif number > 4 * MIB:
        number /= KIB
    elif number < 256:
        number *= KIB
    return _undo_decimal(number)


def system_mib(gib: object, modules_mib: int | None) -> int | None:
    """TotalSystemMemoryGiB in MiB, or the sum of the modules where the two tell the same in other units."""
    number = decimal(gib)
    if number is None:
        return modules_mib
    # As GiB, MiB, KiB, bytes; mirrored memory is half of its modules and no mistake.
    if modules_mib and any(0.9 < number * KIB / unit / modules_mib < 1.1 for unit in (1, KIB, MIB, GIB)):
        return modules_mib
    if number > 128 * KIB:  # 128 TiB
        number /= KIB if number < GIB else GIB
    return _undo_decimal(number * KIB)


def _undo_decimal(mib: float) -> int:
    """Memory comes in whole GiB, so a conversion too many can be seen and undone.

    iDRAC 7 (R820) takes 512 GiB for GB and tells 476.837 GiB; Gigabyte H262 (AMI MegaRAC) takes 16384 MiB
    for MB and tells 15625 MiB.
    """
    if mib % 256:
        for meant in (mib * MIB / 1e9, mib * MIB / 1e6 / KIB):
            whole = round(meant)
            if whole and whole % 2 == 0 and abs(meant - whole) / whole < 1e-4:
                return whole * KIB
    return round(mib)


def architecture(model: str | None, *told: str | None) -> str | None:
    """As the kernel names it (uname -m): InstructionSet or ProcessorArchitecture, else by the model."""
    for word in told:
        found = _ARCHITECTURES.get((word or "").lower())
        if found:
            return found
    return next((name for name, words in _MODELS if words.search(model or "")), None)


# HPE Cray EX, NVIDIA Grace and others tell the model alone.
_MODELS = (
    ("x86_64", re.compile(r"\b(xeon|epyc|opteron|ryzen|intel\(r\))", re.I)),
    ("aarch64", re.compile(r"\b(armv\d|grace|altra|neoverse|cortex-a|thunderx|kunpeng)", re.I)),
    ("ppc64le", re.compile(r"\bpower\d", re.I)),
)


# "x86" alone: no server that has a BMC with Redfish is a 32-bit machine.
_ARCHITECTURES = {
    "x86-64": "x86_64",
    "x86_64": "x86_64",
    "x86": "x86_64",
    "arm-a64": "aarch64",
    "aarch64": "aarch64",
    "arm": "aarch64",
    "powerisa": "ppc64le",
    "power": "ppc64le",
    "risc-v": "riscv64",
    "rv64": "riscv64",
}


def wwn(form: object, name: object) -> str | None:
    """An Identifier as the Linux kernel writes it: 0x5000…, eui.0025…; None for other forms."""
    bare = re.sub(r"^(0x|naa\.|eui\.)", "", name.strip().lower()) if isinstance(name, str) else ""
    digits = re.sub(r"[^0-9a-f]", "", bare)
    prefix = {"NAA": "0x", "EUI": "eui."}.get(str(form))
    return prefix + digits if prefix and digits.strip("0") else None
