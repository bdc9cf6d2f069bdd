"""What dnsmasq's log tells about a machine that boots (log-dhcp and TFTP lines of dnsmasq 2.90)."""

from __future__ import annotations

import re

from pxe.grub import kind_of, on_trial
from pxe.milestones import Milestone, TFTPFailure

_DHCP = re.compile(
    r"(?P<what>DHCPDISCOVER|DHCPOFFER|DHCPREQUEST|DHCPACK|DHCPNAK|DHCPDECLINE)\((?P<interface>[^)]+)\)"
    r"(?: (?P<address>\d+\.\d+\.\d+\.\d+))? (?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})(?P<rest>.*)"
)
# As a proxy it offers what to boot and no address; "proxy-ignored" is for a machine that it does not know.
_PROXY = re.compile(r"PXE\([^)]+\)(?: (?P<address>[\d.]+))? (?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2}) proxy$")
_TFTP = re.compile(r"sent (?P<file>\S+) to (?P<address>\d+\.\d+\.\d+\.\d+)$")
_TFTP_FAILED = re.compile(
    r"(?P<what>failed sending|file|error \d+) (?P<file>/\S+)?.* (?P<address>\d+\.\d+\.\d+\.\d+)$"
)
# PXE ROMs and UEFI ask for a file's size first and break off (RFC 2349): no failure.
_TFTP_SIZE_ASKED = re.compile(
    r"error (0 TFTP Aborted|8 User aborted the transfer) received from (?P<address>[\d.]+)$"
)


class LogReader:
    """Reads lines one after another."""

    def __init__(self) -> None:
        self._broke_off: set[str] = set()

    def read(self, line: str) -> Milestone | None:
        """The milestone that a line tells; a file whose size alone was asked for was not sent."""
        broke_off = _TFTP_SIZE_ASKED.search(line)
        if broke_off:
            self._broke_off.add(broke_off["address"])
            return None
        found = read(line)
        if found and found.kind.startswith("boot.tftp") and found.address in self._broke_off:
            self._broke_off.discard(found.address)  # dnsmasq says so all the same, right afterwards
            return None
        return found


def read(line: str) -> Milestone | None:
    """The milestone that a log line of dnsmasq tells by itself, if any."""
    dhcp = _DHCP.search(line)
    if dhcp:
        return _dhcp(dhcp)
    offered = _PROXY.search(line)
    if offered:
        words = "boot file offered beside the site's DHCP server (proxyDHCP)"
        return Milestone("boot.dhcpoffer", words, offered["mac"], offered["address"], data={"proxy": True})
    sent = _TFTP.search(line)
    if sent:
        name = _name(sent["file"])
        kind = kind_of(sent["file"])
        return Milestone(kind, f"sent {name} by TFTP", address=sent["address"], data={"file": name})
    failed = _TFTP_FAILED.search(line) if "dnsmasq-tftp" in line else None
    if failed and on_trial(failed["file"] or ""):
        return None
    return _tftp_failed(failed, line) if failed and not _TFTP_SIZE_ASKED.search(line) else None


def _dhcp(found: re.Match[str]) -> Milestone:
    what = found["what"]
    answer = f" {found['address']}" if found["address"] else ""
    reason = found["rest"].strip()  # after an ACK it is the host's name
    silent = what == "DHCPNAK" or reason in ("ignored", "no address available")
    note = f" ({reason})" if silent and reason else ""
    data = {"reason": reason} if note else {}
    return Milestone(
        f"boot.{what.lower()}", f"{what}{answer}{note}", found["mac"], found["address"], data=data
    )


def _tftp_failed(found: re.Match[str], line: str) -> Milestone:
    words = line.split(": ", 1)[-1].strip()
    not_found = found["what"] == "file"  # "file NAME not found for ADDRESS"
    failure = TFTPFailure.NOT_FOUND if not_found else TFTPFailure.BROKEN
    data = {"reason": words, "failure": failure} | ({"file": _name(found["file"])} if found["file"] else {})
    return Milestone("boot.tftp-failed", words, address=found["address"], data=data)


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]
