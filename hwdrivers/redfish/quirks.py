"""In what the models differ from the standard, and what we do about it: data, each row with its source.

What every model may do (properties that are absent, 404, an ETag that must or must not come back, no
allowable values) is no quirk: the driver expects it of all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Quirk(StrEnum):
    """What the driver does otherwise."""

    SEND_BOOT_MODE = "send the boot mode along"
    SEND_BOOT_ENABLED = "send how long the boot device counts, also when that is so already"
    MEDIA_IS_USB = "virtual media boot as a USB CD"
    UEFI_TARGETS = "boot devices of UEFI have names of their own"
    SKIP_SLOTS = "some virtual drives take no URL"
    SAYS_BUSY = "a message that means: not now"
    SAYS_FULL = "a message that means: all sessions are taken"


@dataclass(frozen=True)
class Row:
    """`vendor` and `model` are sought in what the system says of itself, case ignored; "": any."""

    quirk: Quirk
    vendor: str
    model: str
    differs: str
    seen: str
    value: str = ""


ROWS = (
    Row(
        Quirk.SEND_BOOT_MODE,
        "supermicro",
        "",
        "falls back to its default mode where BootSourceOverrideMode does not come with the target",
        "github.com/DMTF/Redfishtool/pull/106; github.com/ironcore-dev/metal-operator/pull/607",
    ),
    Row(
        Quirk.SEND_BOOT_ENABLED,
        "supermicro",
        "",
        "wants BootSourceOverrideEnabled each time; others refuse the value that they have already",
        "storyboard.openstack.org 2008547 and 2007355 (ironic/drivers/modules/redfish/management.py)",
    ),
    Row(
        Quirk.MEDIA_IS_USB,
        "supermicro",
        "",
        "X11 and X12 allow Cd as well as UsbCd, and boot virtual media as UsbCd only; X10 has no Cd",
        "sushy 5.14.0, resources/system/system.py; tests/data/hwdrivers/supermicro-x10.json",
    ),
    Row(
        Quirk.UEFI_TARGETS,
        "supermicro",
        "",
        "UEFI boots virtual media as UefiUsbCd, not as UsbCd",
        "github.com/redhat-performance/jetlag/pull/152; tests/data/hwdrivers/supermicro-x10.json",
    ),
    Row(
        Quirk.SKIP_SLOTS,
        "lenovo",
        "",
        "XCC lists ten virtual drives; those named RDOC and Remote take uploads from its own web page",
        "github.com/lenovo/python-redfish-lenovo/issues/21",
        value=r"RDOC|Remote",
    ),
    Row(
        Quirk.SAYS_FULL,
        "",
        "",
        "the Base registry's own message (DSP8011)",
        "Base.1.0.SessionLimitExceeded",
        value="SessionLimitExceeded",
    ),
    Row(
        Quirk.SAYS_FULL,
        "dell",
        "",
        "iDRAC tells a full session table in a message of its own",
        "github.com/stmcginnis/gofish/issues/75",
        value="RAC0218",
    ),
    Row(
        Quirk.SAYS_BUSY,
        "dell",
        "",
        "iDRAC is not ready after the operation before, and says 400 or 500",
        "sushy 5.14.0, connector.py",
        value="SYS518",
    ),
    Row(
        Quirk.SAYS_BUSY,
        "hpe",
        "",
        "iLO cannot while the system is in POST, and says 400",
        "sushy 5.14.0, connector.py",
        value="InvalidOperationForSystemState",
    ),
)


def quirks_of(vendor: str | None, model: str | None) -> dict[Quirk, str]:
    """The quirks of one system, each with its row's value."""
    found = {}
    for row in ROWS:
        if row.vendor in (vendor or "").lower() and re.search(row.model, model or "", re.IGNORECASE):
            found[row.quirk] = row.value
    return found


# A log-in is refused before anybody knows the vendor: these count for all.
SAYS_FULL = tuple(row.value for row in ROWS if row.quirk is Quirk.SAYS_FULL)
SAYS_BUSY = tuple(row.value for row in ROWS if row.quirk is Quirk.SAYS_BUSY)
