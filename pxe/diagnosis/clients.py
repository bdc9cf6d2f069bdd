"""Who asks for an address: firmware, iPXE, or the system on the disk."""

from __future__ import annotations

from pxe.diagnosis.attempt import Attempt
from pxe.milestones import Milestone

DHCP = ("boot.dhcpdiscover", "boot.dhcpoffer", "boot.dhcprequest", "boot.dhcpack")
FETCHED = ("boot.tftp", "boot.http-loader")

_ROMS = ("PXEClient", "HTTPClient")  # option 60: RFC 4578 section 2, UEFI specification section 24.7


def is_ipxe(milestone: Milestone) -> bool:
    """Option 77, which iPXE fills with its name; its option 60 is that of the firmware it came from."""
    return "iPXE" in str(milestone.data.get("user_class") or "")


def is_firmware(milestone: Milestone) -> bool:
    """Whether a ROM asked, iPXE included, rather than an operating system."""
    asked_as = str(milestone.data.get("vendor_class") or "")
    return asked_as.startswith(_ROMS) or milestone.data.get("architecture") is not None


def is_system(milestone: Milestone) -> bool:
    """Whether an operating system's DHCP client asked (dhcpcd, udhcp, MSFT 5.0, ...)."""
    return bool(milestone.data.get("vendor_class")) and not is_firmware(milestone)


def architecture(attempt: Attempt) -> int | None:
    """What the firmware said last that it is; iPXE may say otherwise, which is its own business."""
    told = [m.data.get("architecture") for m in attempt.of("boot.dhcpdiscover") if not is_ipxe(m)]
    codes = [code for code in told if isinstance(code, int)]
    return codes[-1] if codes else None


def mode(attempt: Attempt) -> str | None:
    """The boot mode that firmware asked in."""
    code = architecture(attempt)
    return None if code is None else "bios" if code == 0 else "uefi"


def after_loader_asked(attempt: Attempt) -> tuple[Milestone, ...]:
    """What was seen since the loader that was fetched asked for an address of its own; it may never have."""
    later = attempt.after(*FETCHED)
    asked = [place for place, m in enumerate(later) if m.kind == "boot.dhcpdiscover" and is_ipxe(m)]
    if not asked and attempt.of(*FETCHED):  # dnsmasq's log tells no user class
        asked = [place for place, m in enumerate(later) if m.kind in DHCP]
    return later[asked[0] :] if asked else ()
