"""The seed's end of the cable: a real dnsmasq, supervised as the seed does it, and what it logged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from namespaces import ADDRESS, SEED, Cable

from pxe.daemon import Dnsmasq
from pxe.dnsmasq import ProvisioningNetwork, Reservation, render, render_hosts, render_options
from pxe.firmware import stage

BASE_URL = f"http://{ADDRESS}:8080"
SCRIPT_URL = f"{BASE_URL}/boot.ipxe"
NETWORK = ProvisioningNetwork(
    interface=SEED,
    network=IPv4Network("192.0.2.0/24"),
    address=IPv4Address(ADDRESS),
    first=IPv4Address("192.0.2.192"),
    last=IPv4Address("192.0.2.254"),
)


class Log:
    """Lines as they come; whoever waits is woken by them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._came = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._came:
            self.lines.append(line)
            self._came.notify_all()

    def wait_for(self, words: str, times: int = 1) -> str:
        """The newest line with these words, once there are so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.having(words)) >= times, 20), (words, self.lines)
            return self.having(words)[-1]

    def having(self, words: str) -> list[str]:
        return [line for line in self.lines if words in line]


class SeedEnd:
    """dnsmasq's files and log; `daemon` once it runs."""

    def __init__(self, cable: Cable, directory: Path, network: ProvisioningNetwork = NETWORK) -> None:
        self.cable = cable
        self.directory = directory
        self.log = Log()
        self.daemon: Dnsmasq | None = None
        stage(directory / "tftp")
        self.configuration = directory / "dnsmasq.conf"
        self.configuration.write_text(render(network, directory=directory, base_url=BASE_URL))
        self.enroll()

    def enroll(self, *reservations: Reservation) -> None:
        """Write who is known, as the seed does before it sends SIGHUP."""
        (self.directory / "dnsmasq.hosts").write_text(render_hosts(reservations))
        (self.directory / "dnsmasq.opts").write_text(render_options(reservations))

    @contextmanager
    def serving(self) -> Iterator[Dnsmasq]:
        daemon = Dnsmasq(self.configuration, self.log)
        self.cable.inside(daemon.__enter__)
        try:
            yield daemon
        finally:
            daemon.__exit__(None, None, None)

    def pid(self) -> int:
        return int((self.directory / "dnsmasq.pid").read_text())

    def processes(self) -> list[int]:
        """Every process on the machine that runs this configuration."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                argv = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"--conf-file={self.configuration}".encode() in argv:
                found.append(int(folder.name))
        return found
