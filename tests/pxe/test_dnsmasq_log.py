"""What dnsmasq logged while real firmware booted (OVMF, iPXE in SeaBIOS), read as milestones."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxe.dnsmasq_log import LogReader, read
from pxe.milestones import Milestone

DATA = Path(__file__).parents[1] / "data" / "pxe"
UEFI, BIOS = "52:54:00:00:00:02", "52:54:00:00:00:01"


def hops(log: str, mac: str, address: str) -> list[tuple[str, str]]:
    reader = LogReader()
    found = [reader.read(line) for line in (DATA / log).read_text().splitlines()]
    return [(m.kind, m.message) for m in found if m and (m.mac == mac or m.address == address)]


def test_a_boot_by_uefi_firmware_and_then_ipxe() -> None:
    assert hops("dnsmasq-uefi.log", UEFI, "192.0.2.202") == [
        ("boot.dhcpdiscover", "DHCPDISCOVER"),
        ("boot.dhcpoffer", "DHCPOFFER 192.0.2.202"),
        ("boot.dhcprequest", "DHCPREQUEST 192.0.2.202"),
        ("boot.dhcpack", "DHCPACK 192.0.2.202"),
        # Before, it asked for the size and broke off, which dnsmasq logs as error 8 and as sent.
        ("boot.tftp", "sent snponly.efi by TFTP"),
        ("boot.dhcpdiscover", "DHCPDISCOVER"),
        ("boot.dhcpoffer", "DHCPOFFER 192.0.2.202"),
        ("boot.dhcpdiscover", "DHCPDISCOVER"),
        ("boot.dhcpoffer", "DHCPOFFER 192.0.2.202"),
        ("boot.dhcprequest", "DHCPREQUEST 192.0.2.202"),
        ("boot.dhcpack", "DHCPACK 192.0.2.202"),
    ]


def test_a_boot_by_ipxe_in_the_rom() -> None:
    asked = [("boot.dhcpdiscover", "DHCPDISCOVER"), ("boot.dhcpoffer", "DHCPOFFER 192.0.2.201")]
    assert hops("dnsmasq-ipxe-on-bios.log", BIOS, "192.0.2.201") == [
        *asked * 3,
        ("boot.dhcprequest", "DHCPREQUEST 192.0.2.201"),
        ("boot.dhcpack", "DHCPACK 192.0.2.201"),
    ]


NODE = "52:54:00:00:00:01"
MISSING = "file /var/lib/undercloud/dnsmasq/tftp/missing.efi not found for 192.0.2.1"
FAILED = "failed sending /var/lib/undercloud/dnsmasq/tftp/snponly.efi to 192.0.2.1"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "DHCPDISCOVER(prov0) 52:54:00:00:00:99 ignored",
            Milestone(
                "boot.dhcpdiscover",
                "DHCPDISCOVER (ignored)",
                mac="52:54:00:00:00:99",
                data={"reason": "ignored"},
            ),
        ),
        (
            "DHCPDISCOVER(prov0) 52:54:00:00:00:02 no address available",
            Milestone(
                "boot.dhcpdiscover",
                "DHCPDISCOVER (no address available)",
                mac=UEFI,
                data={"reason": "no address available"},
            ),
        ),
        (
            "DHCPNAK(prov0) 192.0.2.200 52:54:00:00:00:01 static lease available",
            Milestone(
                "boot.dhcpnak",
                "DHCPNAK 192.0.2.200 (static lease available)",
                mac=NODE,
                address="192.0.2.200",
                data={"reason": "static lease available"},
            ),
        ),
        (
            "DHCPACK(prov0) 192.0.2.101 52:54:00:00:00:01 node-1",
            Milestone("boot.dhcpack", "DHCPACK 192.0.2.101", mac=NODE, address="192.0.2.101"),
        ),
        (
            "DHCPDECLINE(prov0) 192.0.2.101 52:54:00:00:00:01",
            Milestone("boot.dhcpdecline", "DHCPDECLINE 192.0.2.101", mac=NODE, address="192.0.2.101"),
        ),
        (
            "missing.efi not found for 192.0.2.1",
            Milestone(
                "boot.tftp-failed",
                MISSING,
                address="192.0.2.1",
                data={"file": "missing.efi", "reason": MISSING, "failure": "not-found"},
            ),
        ),
        (
            "failed sending",
            Milestone(
                "boot.tftp-failed",
                FAILED,
                address="192.0.2.1",
                data={"file": "snponly.efi", "reason": FAILED, "failure": "broken"},
            ),
        ),
        ("error 0 TFTP Aborted", None),
        ("TFTP root is", None),
        ("disabling DHCP static address", None),
        ("DHCP, IP range", None),
        ("RTR-ADVERT", None),
    ],
)
def test_what_goes_wrong_tells_why(words: str, expected: Milestone | None) -> None:
    lines = [line for line in (DATA / "dnsmasq-trouble.log").read_text().splitlines() if words in line]
    assert lines
    assert {read(line) for line in lines} == {expected}


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("shimx64.efi", "boot.tftp"),
        ("grub/grub.cfg", "boot.tftp"),
        ("grub/machine/52:54:00:00:00:01", "boot.script"),
        ("ramdisk/kernel", "boot.kernel"),
        ("ramdisk/initramfs", "boot.initramfs"),
    ],
)
def test_what_grub_fetches_are_the_same_hops_as_of_ipxe(file: str, kind: str) -> None:
    line = f"dnsmasq-tftp[7]: sent /var/lib/undercloud/dnsmasq/tftp/{file} to 192.0.2.1"
    found = LogReader().read(line)
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    "file",
    ["revocations_sbat.efi", "shim_certificate_0.efi", "grub/x86_64-efi/fs.lst", "grub/machine/unknown"],
)
def test_what_shim_and_grub_only_look_for_is_no_failure(file: str) -> None:
    line = f"dnsmasq-tftp[7]: file /var/lib/undercloud/dnsmasq/tftp/{file} not found for 192.0.2.1"
    assert LogReader().read(line) is None
