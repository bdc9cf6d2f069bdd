"""A switch with three ports, each a network namespace of its own: a seed, a machine, another server."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dpkt
from namespaces import ADDRESS, MACHINE, SEED, Cable, ip, namespace

KNOWN = "52:54:00:00:00:01"
OTHER, OTHER_ADDRESS, OTHER_MAC = "other0", "192.0.2.254", "52:54:00:00:00:fd"
MACHINE_ADDRESS = "192.0.2.101"
_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_AUXDATA, _TAGGED = 263, 8, 1 << 4


@dataclass(frozen=True)
class Lan:
    """Who is where; the seed has 192.0.2.1, the other server 192.0.2.254, the machine nothing yet."""

    seed: Cable
    machine: Cable
    other: Cable

    def give_address(self) -> None:
        """The machine takes the address that DHCP told it."""
        ip("-n", self.machine.name, "address", "replace", f"{MACHINE_ADDRESS}/24", "dev", MACHINE)

    def shrink(self, mtu: int) -> None:
        """Longer frames do not reach the machine, as behind a tunnel; nobody is told."""
        ip("-n", self.machine.name, "link", "set", MACHINE, "mtu", str(mtu))

    def firewall(self, rule: str) -> None:
        """nft's words about what the seed sends."""
        table = f"table inet fault {{ chain out {{ type filter hook output priority 0; {rule}; }}; }}"
        subprocess.run(self.seed.argv("nft", table), check=True, capture_output=True)


@contextmanager
def lan() -> Iterator[Lan]:
    """Three ports and a bridge between them; all is taken away at the end."""
    with namespace() as switch, namespace() as seed, namespace() as machine, namespace() as other:
        ip("-n", switch.name, "link", "add", "bridge", "type", "bridge", "forward_delay", "0")
        ip("-n", switch.name, "link", "set", "bridge", "up")
        for end, nic in ((seed, SEED), (machine, MACHINE), (other, OTHER)):
            peer = ("peer", "name", nic, "netns", end.name)
            ip("-n", switch.name, "link", "add", f"to-{nic}", "type", "veth", *peer)
            ip("-n", switch.name, "link", "set", f"to-{nic}", "master", "bridge", "up")
        ip("-n", machine.name, "link", "set", MACHINE, "address", KNOWN)
        ip("-n", other.name, "link", "set", OTHER, "address", OTHER_MAC)
        ip("-n", seed.name, "address", "add", f"{ADDRESS}/24", "dev", SEED)
        ip("-n", other.name, "address", "add", f"{OTHER_ADDRESS}/24", "dev", OTHER)
        for end, nic in ((seed, SEED), (machine, MACHINE), (other, OTHER)):
            ip("-n", end.name, "link", "set", nic, "up")
        yield Lan(seed, machine, other)


@contextmanager
def recording(end: Cable, interface: str, path: Path) -> Iterator[None]:
    """A capture file of all frames at one port, as tcpdump writes it: tags are where they were."""
    wire = end.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)))
    wire.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    wire.bind((interface, _ETH_P_ALL))
    ended, end_it = socket.socketpair()
    thread = threading.Thread(target=_record, args=(wire, ended, path))
    thread.start()
    try:
        yield
    finally:
        end_it.close()
        thread.join()
        wire.close()


def _record(wire: socket.socket, ended: socket.socket, path: Path) -> None:
    with path.open("wb") as file, ended:
        writer = dpkt.pcap.Writer(file)
        while True:
            ready = select.select([wire, ended], [], [])[0]
            if wire in ready:
                writer.writepkt(_frame(wire), time.time())
            elif ended in ready:
                return


def _frame(wire: socket.socket) -> bytes:
    frame, beside, _, _ = wire.recvmsg(65536, 256)
    for _, kind, value in beside:
        status, _, _, _, _, tag, protocol = struct.unpack_from("IIIHHHH", value)
        if kind == _PACKET_AUXDATA and status & _TAGGED:
            return frame[:12] + struct.pack("!HH", protocol or 0x8100, tag) + frame[12:]
    return frame
