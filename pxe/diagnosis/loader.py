"""From an address to a boot loader that runs: fetched by HTTP or TFTP, and started."""

from __future__ import annotations

from pxe.diagnosis.advice import HTTP_FIREWALL, OR_OFF, SIGNED_LOADERS
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.clients import FETCHED, after_loader_asked, mode
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found
from pxe.milestones import Hop


def _http_firmware(attempt: Attempt) -> Match | None:
    asked = attempt.of("boot.dhcpdiscover", "boot.dhcprequest")
    return found([m for m in asked if str(m.data.get("vendor_class") or "").startswith("HTTPClient")])


def _http_failed(attempt: Attempt) -> Match | None:
    return found([m for m in attempt.since_reached if m.kind == "boot.http-failed"])


def _loader_silent(attempt: Attempt) -> Match | None:
    """A loader that runs asks for an address; one that firmware refuses does not."""
    asked = after_loader_asked(attempt)
    fetched = attempt.of(*FETCHED)
    if any(str(m.data.get("file")).startswith("grub") for m in fetched):
        return None  # shim ran, and it has checked GRUB
    if asked or "bios" in (mode(attempt), attempt.boot_mode) or attempt.secure_boot is False:
        return None
    note = ("its BMC says: Secure Boot is on",) if attempt.secure_boot else ()
    return found(fetched, "the loader that was fetched never asked for anything", *note)


def _loader_hangs(attempt: Attempt) -> Match | None:
    """Where there is no Secure Boot that could have refused it."""
    asked = after_loader_asked(attempt)
    if asked or ("bios" not in (mode(attempt), attempt.boot_mode) and attempt.secure_boot is not False):
        return None
    return found(attempt.of(*FETCHED), "the loader was fetched and never asked for anything")


RULES = (
    Rule(
        "loader.http-broken",
        (Hop.LOADER, Hop.SCRIPT, Hop.KERNEL, Hop.RAMDISK),
        _http_failed,
        "{node} does not get by HTTP what it wants: {said}",
        (
            HTTP_FIREWALL,
            Cause("a file is missing on the seed", "`undercloud image list`, then `undercloud doctor`"),
            Cause("the transfer breaks off", "look at the error counters of the switch port"),
        ),
    ),
    Rule(
        "loader.no-http",
        (Hop.LOADER,),
        _http_firmware,
        "{node} wants to boot by UEFI HTTP and fetches nothing",
        (
            HTTP_FIREWALL,
            Cause(
                "the firmware allows HTTPS alone, or has HTTP boot without this URL",
                "in the firmware's setup allow HTTP boot without TLS, or take PXE (`Network Boot: PXE IPv4`)",
            ),
        ),
    ),
    Rule(
        "loader.no-tftp",
        (Hop.LOADER,),
        always,
        "{node} has an address and asks for no boot file",
        (
            Cause("a firewall drops TFTP requests", "open UDP 69 on the seed and on what stands in between"),
            Cause(
                "another DHCP server named another boot server or file",
                "capture it: `tcpdump -ni IFACE -w FILE port 67 or port 68`, then "
                "`undercloud why {node} --pcap FILE`",
            ),
            Cause(
                "it was the operating system that asked for the address, not the firmware",
                "`undercloud node boot-device pxe {node}`, and network boot before the disk in the firmware",
            ),
        ),
    ),
    Rule(
        "loader.refused-by-secure-boot",
        (Hop.SCRIPT,),
        _loader_silent,
        "{node} fetched its boot loader and did not start it",
        (
            Cause(
                "Secure Boot refuses the loader (the screen says 'Security Violation' or 'Access Denied')",
                SIGNED_LOADERS + OR_OFF,
            ),
            Cause(
                "the loader hangs in this firmware's network driver",
                "update the NIC's and the system's firmware; `undercloud node console {node}` shows where",
            ),
        ),
    ),
    Rule(
        "loader.hangs",
        (Hop.SCRIPT,),
        _loader_hangs,
        "{node} fetched its boot loader, which then said nothing",
        (
            Cause(
                "the network driver in its firmware is broken (UNDI in BIOS mode, SNP in UEFI)",
                "update the NIC's and the system's firmware, or take the other boot mode: "
                "`undercloud node boot-device pxe {node} --mode uefi` (or bios)",
            ),
        ),
    ),
)
