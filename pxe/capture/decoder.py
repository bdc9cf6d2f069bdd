"""From frames to milestones: the one decoder, for capture files and for the live wire."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import dpkt

from pxe.capture import dhcp
from pxe.capture.http import Requests
from pxe.capture.packets import (
    DHCP6_SERVER,
    DHCP_CLIENT,
    DHCP_SERVER,
    ICMP,
    PROXY_DHCP,
    UDP,
    Packet,
    packet,
)
from pxe.capture.tftp import Transfers
from pxe.milestones import Milestone

_DHCP = {DHCP_SERVER, DHCP_CLIENT, PROXY_DHCP}
_MALFORMED = (dpkt.Error, IndexError, ValueError, OverflowError, struct.error)


class Decoder:
    """Takes frames one after another; what breaks the rules of its protocol is passed over.

    `half`: of TFTP only what machines send is heard.
    """

    def __init__(self, *, half: bool = False) -> None:
        self._transfers = Transfers(half=half)
        self._requests = Requests()
        self._mac_of: dict[str, str] = {}

    @property
    def waits(self) -> bool:
        """Whether transfers are under way."""
        return bool(self._transfers.watched)

    def take(self, frame: bytes, at: float, vlan: int | None = None) -> list[Milestone]:
        """What a frame proves; `at` in seconds since the epoch, `vlan` the tag that the kernel took off."""
        try:
            found = packet(frame, at, vlan, self._transfers.watched)
            return [self._whose(milestone) for milestone in self._read(found)] if found else []
        except _MALFORMED:
            return []

    def end(self) -> list[Milestone]:
        """What became of that which was under way in the last frame."""
        return [*self.stalled(inf), *map(self._whose, self._requests.end())]

    def stalled(self, before: float) -> list[Milestone]:
        """The transfers of which nothing was heard since `before`; they are given up."""
        return [self._whose(found) for found in self._transfers.end(before)]

    def _read(self, found: Packet) -> Iterator[Milestone]:
        if found.protocol == ICMP:
            self._transfers.refused(found)
        elif found.protocol != UDP:
            yield from self._requests.take(found)
        elif DHCP6_SERVER in (found.source_port, found.target_port):
            yield from _dated(dhcp.solicits(found), found.at)
        elif found.source_port in _DHCP and found.target_port in _DHCP:
            yield from _dated(dhcp.read(found), found.at)
        else:
            yield from self._transfers.take(found)

    def _whose(self, milestone: Milestone) -> Milestone:
        """A frame that came through a router has the router's MAC: the lease tells the machine's."""
        if milestone.kind == "boot.dhcpack" and milestone.address and milestone.mac:
            self._mac_of[milestone.address] = milestone.mac
        mac = self._mac_of.get(milestone.address or "")
        return (
            replace(milestone, mac=mac) if mac and not milestone.kind.startswith("boot.dhcp") else milestone
        )


def _dated(milestone: Milestone | None, at: float) -> Iterator[Milestone]:
    if milestone is not None:
        yield replace(milestone, at=datetime.fromtimestamp(at, UTC))
