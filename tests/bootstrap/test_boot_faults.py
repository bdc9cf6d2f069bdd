"""Boots that are broken for real, in a network of three: what the seed saw of them, and what it says.

A real dnsmasq answers, the seed's listener hears, and both are journaled as the seed does it; a capture of
the same wire tells the same.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import lan
import namespaces
import pytest
import uvicorn
from cryptography.fernet import Fernet
from dhcp_machine import DISCOVER, Machine, plug_in, waiting
from dnsmasq_seed import NETWORK, Log, SeedEnd
from fastapi import FastAPI
from lan import KNOWN, MACHINE_ADDRESS, OTHER, OTHER_ADDRESS, OTHER_MAC, Lan
from namespaces import ADDRESS, MACHINE, SEED

from hwdrivers.address import BMCAddress
from pxe.capture import boots
from pxe.capture.file import read as read_capture
from pxe.capture.live import Listener
from pxe.daemon import Dnsmasq
from pxe.diagnosis.diagnose import diagnose
from pxe.diagnosis.diagnosis import Diagnosis
from pxe.dnsmasq import DHCPMode, ProvisioningNetwork, Reservation
from pxe.milestones import Hop
from seed.api import booting
from seed.boot import Boot
from seed.boots import Boots
from seed.declarations import new_node
from seed.host_boot import HostBoot
from seed.images import Images
from seed.instances import Instances
from seed.lifecycle import DECOMMISSIONED
from seed.milestones import BootJournal
from seed.model import Event, NextBoot
from seed.store import Store

pytestmark = pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not()))

STRANGER = "52:54:00:00:00:99"
UUID = "12345678-9abc-def0-1234-56789abcdef0"
UUID_SENT = bytes.fromhex("78563412bc9af0de123456789abcdef0")


class JournaledLog(Log):
    """The log as the seed reads it."""

    def __init__(self, journal: BootJournal) -> None:
        super().__init__()
        self._journal = journal

    def __call__(self, line: str) -> None:
        self._journal.read(line)
        super().__call__(line)


class Site:
    """The seed's end of the network, with node-1 about to boot its ramdisk, and all that is recorded."""

    def __init__(
        self, here: Lan, folder: Path, store: Store, link: socket.socket, network: ProvisioningNetwork
    ) -> None:
        self.lan = here
        self.link = link
        self.mode = network.mode.value
        self.folder = folder
        self.store = store
        self.listener = Listener(SEED, lambda found: self.journal.hear(found), patience=0.2)
        proxy = network.mode is DHCPMode.PROXY
        self.journal = BootJournal(store, own={ADDRESS}, proxy=proxy, heard=self.listener.alive)
        self.dnsmasq = SeedEnd(here.seed, folder, network)
        self.dnsmasq.log = JournaledLog(self.journal)
        self.dnsmasq.enroll(Reservation(KNOWN, "node-1", MACHINE_ADDRESS))
        self.capture = folder / "boot.pcap"
        self.recorder = ExitStack()
        self.node = new_node(BMCAddress.parse("ipmi://192.0.2.9"), "rack", "node-1", (KNOWN,))
        with store.write() as tx:
            tx.nodes.add(replace(self.node, next_boot=NextBoot.RAMDISK, system_uuid=UUID))
            tx.events.add("power.on", "powered on to boot the ramdisk", node=self.node.uuid)

    def __enter__(self) -> Site:
        self.recorder.enter_context(lan.recording(self.lan.seed, SEED, self.capture))
        self.journal.__enter__()
        self.lan.seed.inside(self.listener.__enter__)
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.__exit__(None, None, None)
        self.journal.__exit__()
        self.recorder.close()

    def machine(self, **more: Any) -> Machine:
        return Machine(self.link, KNOWN, **{"architecture": 7, "uuid": UUID_SENT, **more})

    def events(self, kind: str = "boot.") -> list[Event]:
        with self.store.read() as tx:
            return tx.events.newest(100, kind=kind)

    def sees(self, kind: str, times: int = 1) -> Event:
        """The newest event of a kind, once there are so many."""
        deadline = time.monotonic() + 30
        while len(self.events(kind)) < times:
            assert time.monotonic() < deadline, self.events()
            time.sleep(0.02)
        return self.events(kind)[-1]

    def why(self) -> Diagnosis:
        """As `undercloud why node-1` has it once the run was given up."""
        with self.store.read() as tx:
            (told,) = Boots(dhcp=self.mode, seed=ADDRESS).of(tx, tx.nodes.get(self.node.uuid))
        return diagnose(replace(told.attempt, until=Hop.HEARTBEAT, over=True))

    def captured(self, mac: str = KNOWN) -> Diagnosis:
        """As `undercloud why --pcap` has it, where no seed runs."""
        self.recorder.close()
        found = read_capture(self.capture)
        seen = boots.by_machine(found.milestones)[mac]
        own = boots.own_server(boots.servers(found.milestones))
        return diagnose(boots.attempts(mac, seen, found.until, own)[-1])


@pytest.fixture
def provisioning() -> ProvisioningNetwork:
    return NETWORK


@pytest.fixture
def site(tmp_path: Path, provisioning: ProvisioningNetwork) -> Iterator[Site]:
    with ExitStack() as stack:
        here = stack.enter_context(lan.lan())
        store = Store(tmp_path / "seed.sqlite", Fernet(Fernet.generate_key()))
        stack.callback(store.close)
        store.migrate()
        link = stack.enter_context(here.machine.inside(lambda: plug_in(MACHINE)))
        site = stack.enter_context(Site(here, tmp_path, store, link, provisioning))
        yield site


def leased(site: Site, **more: Any) -> None:
    """The machine's firmware gets its address."""
    waiting(site.link)  # a loader's bytes have filled its buffer
    machine = site.machine(**more)
    machine.request(machine.discover())
    site.lan.give_address()
    site.sees("boot.dhcpack")


class Loader:
    """The machine's TFTP client, as its firmware has it: one file, blocks of 1468 bytes."""

    def __init__(self, site: Site, blksize: int = 1468) -> None:
        self._blksize = blksize
        self._socket = site.lan.machine.inside(lambda: socket.socket(type=socket.SOCK_DGRAM))
        self._socket.bind((MACHINE_ADDRESS, 0))
        self._socket.settimeout(20)
        self._server = (ADDRESS, 69)

    def ask(self, name: str) -> None:
        request = b"\0".join(
            [b"\0\1" + name.encode(), b"octet", b"blksize", str(self._blksize).encode(), b""]
        )
        self._socket.sendto(request, (ADDRESS, 69))

    def hear(self) -> bytes:
        packet, self._server = self._socket.recvfrom(65536)
        return packet

    def acknowledge(self, block: int) -> None:
        self._socket.sendto(b"\0\4" + block.to_bytes(2), self._server)

    def fetch(self, name: str) -> None:
        self.ask(name)
        assert self.hear()[:2] == b"\0\6"
        self.acknowledge(0)
        while len(packet := self.hear()) == 4 + self._blksize:
            self.acknowledge(int.from_bytes(packet[2:4]))
        self.acknowledge(int.from_bytes(packet[2:4]))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def loader(site: Site) -> Iterator[Loader]:
    site.lan.give_address()
    loader = Loader(site)
    yield loader
    loader.close()


def test_each_hop_is_journaled_once(site: Site, loader: Loader) -> None:
    with site.dnsmasq.serving():
        leased(site)
        loader.fetch("snponly.efi")
        site.sees("boot.tftp")
    kinds = [event.kind for event in site.events()]
    assert sorted(kinds) == sorted(
        ["boot.dhcpdiscover", "boot.dhcpoffer", "boot.dhcprequest", "boot.dhcpack", "boot.tftp"]
    )
    asked = site.sees("boot.dhcpdiscover").data
    assert (asked["architecture"], asked["uuid"], asked["mac"]) == (7, UUID, KNOWN)
    assert site.why().hop is Hop.SCRIPT
    assert site.captured().hop is Hop.SCRIPT


def test_a_nic_that_nobody_knows_asks(site: Site) -> None:
    with site.dnsmasq.serving():
        Machine(site.link, STRANGER, 7, uuid=UUID_SENT).send(DISCOVER)
        told = site.sees("boot.stranger")
        site.dnsmasq.log.wait_for(f"{STRANGER} ignored")
    assert (told.node, told.data["mac"], told.data["uuid"]) == (None, STRANGER, UUID)
    assert [event.kind for event in site.events()] == ["boot.stranger"]
    found = site.why()
    assert (found.id, found.hop) == ("nic.not-known", Hop.DISCOVER)
    assert STRANGER in found.summary
    assert site.captured(STRANGER).id == "dhcp.no-offer-site"


def test_a_stranger_that_may_be_anybody(site: Site) -> None:
    with site.dnsmasq.serving():
        for _ in range(3):
            Machine(site.link, STRANGER, 7).send(DISCOVER)
        site.dnsmasq.log.wait_for(f"{STRANGER} ignored", 3)
        Machine(site.link, "52:54:00:00:00:98", None).send(DISCOVER)  # a laptop's operating system
        site.machine().discover()
        site.sees("boot.dhcpdiscover")
    assert len(site.events("boot.stranger")) == 1
    assert site.why().hop is Hop.LEASE  # the known NIC asked as well


def test_firmware_that_tags_its_frames(site: Site) -> None:
    with site.dnsmasq.serving():
        site.machine(vlan=7).send(DISCOVER)
        assert site.sees("boot.dhcpdiscover").data["vlan"] == 7
    found = site.why()
    assert (found.id, found.hop) == ("dhcp.tagged", Hop.OFFER)
    assert "VLAN 7" in found.summary
    assert site.captured().id == "dhcp.tagged"


FOREIGN = f"""\
port=0
no-ping
interface={OTHER}
bind-dynamic
except-interface=lo
log-dhcp
log-facility=-
dhcp-range=192.0.2.50,192.0.2.60,255.255.255.0,10m
"""


@pytest.fixture
def foreign(site: Site) -> Iterator[None]:
    """A DHCP server that nobody meant to be there, as a router has it: it tells nothing to boot."""
    configuration = site.folder / "foreign.conf"
    configuration.write_text(f"{FOREIGN}dhcp-leasefile={site.folder}/foreign.leases\n")
    daemon = Dnsmasq(configuration, lambda line: None)
    site.lan.other.inside(daemon.__enter__)
    yield
    daemon.__exit__(None, None, None)


def test_another_server_answers_first(site: Site, foreign: None) -> None:
    machine = site.machine()
    machine.request(machine.discover())  # the seed's own is slower: it starts only now
    with site.dnsmasq.serving():
        offer = machine.discover()
        while offer.options[54] != socket.inet_aton(OTHER_ADDRESS):
            offer = machine.discover()
        assert machine.request(offer).options[54] == socket.inet_aton(OTHER_ADDRESS)
        site.sees("boot.dhcpoffer")
    answers = {event.data["answer"] for event in site.events("boot.foreign-dhcp")}
    assert answers == {"offer", "request", "ack"}
    found = site.why()
    assert found.id == "dhcp.foreign"
    assert OTHER_ADDRESS in found.summary
    assert OTHER_MAC in found.summary
    captured = site.captured()
    assert (captured.id, captured.summary) == (found.id, found.summary.replace("node-1", KNOWN))


def test_another_server_whose_offer_is_not_taken_is_not_to_blame(site: Site, foreign: None) -> None:
    machine = site.machine()
    with site.dnsmasq.serving():
        offer = machine.discover()
        while offer.options[54] != socket.inet_aton(ADDRESS):
            offer = machine.discover()
        machine.request(offer)
        site.sees("boot.dhcpack")
        site.sees("boot.foreign-dhcp")
    assert site.why().id == "loader.no-tftp"
    assert site.captured().id == "loader.no-tftp"


def test_an_offer_that_nobody_takes(site: Site) -> None:
    with site.dnsmasq.serving():
        site.machine().discover()
        site.sees("boot.dhcpoffer")
    assert (site.why().id, site.why().hop) == ("dhcp.offer-unheard", Hop.LEASE)
    assert site.captured().id == "dhcp.offer-unheard"


def test_an_architecture_that_has_no_loader(site: Site) -> None:
    with site.dnsmasq.serving():
        leased(site, architecture=14)
    found = site.why()
    assert (found.id, found.hop) == ("loader.architecture", Hop.LOADER)
    assert "14" in found.summary
    assert site.captured().id == "loader.architecture"


@pytest.mark.parametrize(
    ("rule", "words", "told"),
    [
        pytest.param(
            "udp sport > 1024 drop", "no answer to 2 requests arrives", "loader.tftp-unanswered", id="answers"
        ),
        pytest.param(
            "udp length > 600 drop",
            "blocks of 1468 bytes were agreed on, and none arrives",
            "loader.tftp-blocks",
            id="data",
        ),
    ],
)
def test_a_firewall_that_lets_only_the_first_packet_of_tftp_through(
    site: Site, loader: Loader, rule: str, words: str, told: str
) -> None:
    with site.dnsmasq.serving():
        leased(site)
        site.lan.firewall(rule)
        loader.ask("snponly.efi")
        if "length" in rule:
            assert loader.hear()[:2] == b"\0\6"
            loader.acknowledge(0)
        else:
            loader.ask("snponly.efi")
        assert site.sees("boot.tftp-failed").data["reason"] == words
    found = site.why()
    assert (found.id, found.hop) == (told, Hop.LOADER)
    assert words in found.evidence[0].text
    assert site.captured().id == told


def test_blocks_that_are_larger_than_the_path(site: Site, loader: Loader) -> None:
    with site.dnsmasq.serving():
        leased(site)
        site.lan.shrink(1280)
        loader.ask("snponly.efi")
        assert b"1468" in loader.hear()
        loader.acknowledge(0)
        site.sees("boot.tftp-failed")
    assert site.why().id == "loader.tftp-blocks"
    captured = site.captured()
    assert captured.id == "loader.tftp-blocks"
    assert "block 1 of 1468 bytes was sent" in captured.evidence[0].text


def test_a_file_that_is_not_there(site: Site, loader: Loader) -> None:
    with site.dnsmasq.serving():
        leased(site)
        loader.ask("pxelinux.0")
        assert loader.hear()[:4] == b"\0\5\0\1"
        site.sees("boot.tftp-failed")
    assert site.why().id == "loader.not-found"
    assert site.captured().id == "loader.not-found"


@contextmanager
def scripts(site: Site) -> Iterator[None]:
    """What machines ask the seed for a script, at the seed's end."""
    base_url = f"http://{ADDRESS}:8080"
    app = FastAPI()
    images = Images(site.folder, base_url, "ramdisk")
    hosts = HostBoot(site.store, images, Instances(site.store, images, base_url), base_url, base_url)
    booting.routes(app, Boot(site.store, images, base_url, (), hosts, files_url=base_url), base_url)
    listener = site.lan.seed.inside(lambda: socket.create_server((ADDRESS, 8080)))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def get(site: Site, path: str) -> bytes:
    """The answer to iPXE's request, on the machine's side."""
    with site.lan.machine.inside(socket.socket) as wire:
        wire.connect((ADDRESS, 8080))
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: seed\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: wire.recv(4096), b""))


def test_a_script_that_is_not_found(site: Site, loader: Loader) -> None:
    with site.dnsmasq.serving(), scripts(site):
        leased(site)
        loader.fetch("snponly.efi")
        leased(site, ipxe=True)
        assert b"200 OK" in get(site, "/boot.ipxe")
        with site.store.write() as tx:
            tx.nodes.move(tx.nodes.get("node-1"), DECOMMISSIONED, None)
        assert b"404 Not Found" in get(site, f"/boot/script?mac={KNOWN}")
        site.sees("boot.script-refused")
        site.sees("boot.dhcpack", 2)
    found = site.why()
    assert (found.id, found.hop) == ("script.refused", Hop.SCRIPT)
    assert "decommissioned" in found.summary
    captured = site.captured()
    assert (captured.id, captured.hop) == ("script.refused", Hop.SCRIPT)
    assert "404 Not Found" in captured.summary


# -- beside another server, on purpose ----------------------------------------------------------------


@pytest.mark.parametrize("provisioning", [replace(NETWORK, mode=DHCPMode.PROXY)])
def test_beside_the_sites_server_its_address_and_our_boot_file_are_both_hops(
    site: Site, foreign: None
) -> None:
    machine = site.machine()
    with site.dnsmasq.serving():
        offer = machine.discover()
        while offer.options[54] != socket.inet_aton(OTHER_ADDRESS):
            offer = machine.discover()
        machine.request(offer)
        site.sees("boot.dhcpack")
        site.dnsmasq.log.wait_for("proxy")
    kinds = {(event.kind, event.data.get("server"), event.data.get("proxy")) for event in site.events()}
    assert kinds == {
        ("boot.dhcpdiscover", None, None),
        ("boot.dhcpoffer", None, True),
        ("boot.dhcpoffer", OTHER_ADDRESS, None),
        ("boot.dhcprequest", OTHER_ADDRESS, None),
        ("boot.dhcpack", OTHER_ADDRESS, None),
    }
    assert (site.why().id, site.why().hop) == ("loader.no-tftp", Hop.LOADER)
    assert site.captured().id == "loader.no-tftp"
