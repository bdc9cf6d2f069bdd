"""In what models differ, and what we do about it: one table, each row with the source that it was seen in.

Rows with a quirk of their own change what the driver does for that make. `EXPECTED` rows tell what the driver
expects of every make, and where that was seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Quirk(StrEnum):
    """What the driver does."""

    EXPECTED = "expected of all"
    SEND_BOOT_MODE = "send the boot mode along"
    SEND_BOOT_ENABLED = "send how long the boot device counts, also when that is so already"
    MEDIA_IS_USB = "boot virtual media as a USB CD"
    MEDIA_BY_OEM = "boot virtual media by the maker's own action"
    UEFI_TARGETS = "use UEFI's own names of boot devices"
    SKIP_SLOTS = "leave out virtual drives that take no URL"
    SKU_IS_SERIAL = "take the SKU for the serial number that firmware and sticker tell"
    SAYS_BUSY = "take this message for: not now"
    SAYS_FULL = "take this message for: all sessions are taken"


@dataclass(frozen=True)
class Row:
    """`vendor` and `model` are sought in what the system says of itself, case ignored; "": any."""

    quirk: Quirk
    vendor: str
    model: str
    differs: str
    seen: str
    value: str = ""


_GITHUB = "https://github.com/"
_SUSHY = "sushy 5.14.0: "

ROWS = (
    # Power
    Row(
        Quirk.EXPECTED,
        "dell",
        "",
        "iDRAC answers 409 (PSU501) to a power on of what is on: the state is read back",
        _GITHUB + "dell/dellemc-openmanage-ansible-modules/issues/132",
    ),
    Row(
        Quirk.EXPECTED,
        "hpe",
        "",
        "iLO answers 400 to a reset of what is off: it is switched on instead",
        _GITHUB + "goldyfruit/ansible-ilo/issues/1",
    ),
    Row(
        Quirk.EXPECTED,
        "nvidia",
        "bluefield",
        "tells the reset types in the ActionInfo only; others tell none at all: the commonest is sent",
        _GITHUB + "stmcginnis/gofish/pull/345",
    ),
    # Boot
    Row(
        Quirk.SEND_BOOT_MODE,
        "supermicro",
        "",
        "falls back to its default mode where BootSourceOverrideMode does not come with the target",
        _GITHUB + "DMTF/Redfishtool/pull/106; " + _GITHUB + "ironcore-dev/metal-operator/pull/607",
    ),
    Row(
        Quirk.EXPECTED,
        "hpe",
        "",
        "BootSourceOverrideMode cannot be written: it is sent only where it has to change",
        _GITHUB + "ansible-collections/community.general/issues/3509",
    ),
    Row(
        Quirk.SEND_BOOT_ENABLED,
        "supermicro",
        "",
        "wants BootSourceOverrideEnabled each time; others refuse the value that they have already",
        "https://storyboard.openstack.org/#!/story/2008547 and 2007355",
    ),
    Row(
        Quirk.EXPECTED,
        "",
        "",
        "Continuous is gone from newer firmware: Once is sent after its refusal",
        _GITHUB + "openstack/ironic: ironic/drivers/modules/redfish/management.py",
    ),
    Row(
        Quirk.EXPECTED,
        "dell",
        "13th generation",
        "iDRAC 8 answers 400 to a boot device that it has set: it is read back",
        _GITHUB + "ansible-collections/community.general/issues/5091",
    ),
    Row(
        Quirk.EXPECTED,
        "dell",
        "",
        "iDRAC 10 tells no allowable boot targets: the commonest is sent",
        _GITHUB + "dell/iDRAC-Redfish-Scripting/issues/324",
    ),
    Row(
        Quirk.EXPECTED,
        "asrock",
        "",
        "AMI's firmware takes boot settings in the settings object (/SD) only",
        _GITHUB + "DMTF/Redfish-Tacklebox/issues/144",
        value="OperationSupportedInFutureStateURI",
    ),
    Row(
        Quirk.EXPECTED,
        "dell",
        "",
        "iDRAC takes the mode in the settings object, and the boot device in the system itself",
        _SUSHY + "tests/unit/json_samples/settings-body-bootsourceoverridemode-only.json",
    ),
    Row(
        Quirk.MEDIA_IS_USB,
        "supermicro",
        "",
        "X11 and X12 allow Cd as well as UsbCd, and boot virtual media as UsbCd only; X10 has no Cd",
        _SUSHY + "resources/system/system.py; tests/data/hwdrivers/supermicro-x10.json",
    ),
    Row(
        Quirk.UEFI_TARGETS,
        "supermicro",
        "",
        "UEFI boots virtual media as UefiUsbCd, not as UsbCd",
        _GITHUB + "redhat-performance/jetlag/pull/152; tests/data/hwdrivers/supermicro-x10.json",
    ),
    Row(
        Quirk.MEDIA_BY_OEM,
        "dell",
        "",
        "Cd is the drive in the machine; virtual media boot by ImportSystemConfiguration (VCD-DVD)",
        _SUSHY + "oem/dell; " + _GITHUB + "dell/iDRAC-Redfish-Scripting/issues/90",
    ),
    # Virtual media
    Row(
        Quirk.SKIP_SLOTS,
        "lenovo",
        "",
        "XCC lists ten virtual drives; those named RDOC and Remote take uploads from its own web page",
        _GITHUB + "lenovo/python-redfish-lenovo/issues/21",
        value=r"RDOC|Remote",
    ),
    Row(
        Quirk.EXPECTED,
        "supermicro",
        "",
        "keeps the name of an image that was ejected: what is not inserted is not there",
        _GITHUB + "ansible-collections/community.general/issues/6969",
    ),
    # Settings
    Row(
        Quirk.EXPECTED,
        "dell",
        "",
        "iDRAC makes no job, and changes nothing, without @Redfish.SettingsApplyTime: sent where declared",
        _GITHUB + "dell/iDRAC-Redfish-Scripting/issues/84",
    ),
    Row(
        Quirk.EXPECTED,
        "supermicro",
        "AS-1114S-WN10RT",
        "refuses @Redfish.SettingsApplyTime, which it does not declare",
        _GITHUB + "bmc-toolbox/bmclib/pull/458",
    ),
    Row(
        Quirk.EXPECTED,
        "huawei",
        "2288H V5",
        "wants the ETag of what is changed in If-Match (412, 428 without); so does AMI's (Lenovo SR655)",
        _GITHUB + "ansible/ansible/issues/60031; " + _GITHUB + "stmcginnis/gofish/issues/171",
    ),
    Row(
        Quirk.EXPECTED,
        "lenovo",
        "",
        "newer XCC answers 412 to its own ETag: sent strong, then left out",
        _GITHUB + "ansible-collections/community.general/pull/11270; " + _SUSHY + "connector.py",
    ),
    # Accounts
    Row(
        Quirk.EXPECTED,
        "dell",
        "",
        "accounts are 16 slots that are always there; those without a name are free",
        _GITHUB + "DMTF/Redfishtool/issues/7",
    ),
    # Sessions and overload
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
        "iDRAC tells a full session table in a message of its own, with 503",
        _GITHUB + "stmcginnis/gofish/issues/75",
        value="RAC0218",
    ),
    Row(
        Quirk.SAYS_BUSY,
        "dell",
        "",
        "iDRAC is not ready after the operation before, and says 400 or 500",
        _SUSHY + "connector.py",
        value="SYS518",
    ),
    Row(
        Quirk.SAYS_BUSY,
        "hpe",
        "",
        "iLO cannot while the system is in POST, and says 400",
        _SUSHY + "connector.py",
        value="InvalidOperationForSystemState",
    ),
    # Documents
    Row(
        Quirk.SKU_IS_SERIAL,
        "dell",
        "",
        "SerialNumber is the board's; SMBIOS and the sticker tell the service tag, which is the SKU here",
        _GITHUB + "ansible/ansible/issues/53461; " + _GITHUB + "Dasharo/dasharo-issues/issues/155",
    ),
    Row(
        Quirk.EXPECTED,
        "dell",
        "PowerEdge R820",
        "iDRAC 7 links to members, and to half of its tree, that answer 404: they are absent",
        "tests/data/hwdrivers/dell-r820.json",
    ),
    Row(
        Quirk.EXPECTED,
        "supermicro",
        "",
        "X10 tells 0 degrees and thresholds of 0 for sensors that are absent while the machine is off",
        "tests/data/hwdrivers/supermicro-x10.json",
    ),
)


def quirks_of(vendor: str | None, model: str | None) -> dict[Quirk, str]:
    """What to do otherwise for one system, each with its row's value."""
    found = {}
    for row in ROWS:
        if row.vendor in (vendor or "").lower() and re.search(row.model, model or "", re.IGNORECASE):
            found[row.quirk] = row.value
    found.pop(Quirk.EXPECTED, None)
    return found


# A log-in is refused before anybody knows the vendor: these count for all.
SAYS_FULL = tuple(row.value for row in ROWS if row.quirk is Quirk.SAYS_FULL)
SAYS_BUSY = tuple(row.value for row in ROWS if row.quirk is Quirk.SAYS_BUSY)
