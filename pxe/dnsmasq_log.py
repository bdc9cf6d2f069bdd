"""What dnsmasq's log tells about a machine that boots (log-dhcp and TFTP lines of dnsmasq 2.90)."""

from __future__ import annotations

import re

from pxe.milestones import Milestone

_DHCP = re.compile(
    r"(?P<what>DHCPDISCOVER|DHCPOFFER|DHCPREQUEST|DHCPACK|DHCPNAK|DHCPDECLINE)\((?P<interface>[^)]+)\)"
    r"(?: (?P<address>\d+\.\d+\.\d+\.\d+))? (?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})(?P<rest>.*)"
)
_TFTP = re.compile(r"sent (?P<file>\S+) to (?P<address>\d+\.\d+\.\d+\.\d+)$")
_TFTP_FAILED = re.compile(r"(?P<problem>failed sending|file|error).* (?P<address>\d+\.\d+\.\d+\.\d+)")
# PXE ROMs and UEFI ask for a file's size first and break off (RFC 2349): no failure.
_TFTP_SIZE_ASKED = re.compile(r"error (0 TFTP Aborted|8 User aborted the transfer) received")


def read(line: str) -> Milestone | None:
    """The milestone that a log line of dnsmasq tells, if any."""
    dhcp = _DHCP.search(line)
    if dhcp:
        return _dhcp(dhcp)
    sent = _TFTP.search(line)
    if sent:
        # dnsmasq says so too when the machine broke off after it had learnt the size.
        name = sent["file"].rsplit("/", 1)[-1]
        return Milestone("boot.tftp", f"sent {name} by TFTP", address=sent["address"])
    failed = _TFTP_FAILED.search(line) if "dnsmasq-tftp" in line else None
    if failed and not _TFTP_SIZE_ASKED.search(line):
        return Milestone("boot.tftp-failed", line.split(": ", 1)[-1].strip(), address=failed["address"])
    return None


def _dhcp(found: re.Match[str]) -> Milestone:
    what = found["what"]
    answer = f" {found['address']}" if found["address"] else ""
    reason = found["rest"].strip()  # after an ACK it is the host's name
    silent = what == "DHCPNAK" or reason in ("ignored", "no address available")
    note = f" ({reason})" if silent and reason else ""
    return Milestone(
        f"boot.{what.lower()}", f"{what}{answer}{note}", mac=found["mac"], address=found["address"]
    )
