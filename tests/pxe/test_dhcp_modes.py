"""DHCP beside what a site runs: another server hands out addresses, or a router relays."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import namespaces
import pytest
from dhcp_machine import ACK, DISCOVER, OFFER, Machine, plug_in, waiting
from dnsmasq_seed import BASE_URL, NETWORK, SCRIPT_URL, SeedEnd
from lan import KNOWN, MACHINE_ADDRESS, OTHER, OTHER_ADDRESS, Lan, lan
from namespaces import ADDRESS, MACHINE, Cable, ip

from pxe.dnsmasq import DHCPMode, Reservation, Subnet
from pxe.firmware import SHIM_X64
from pxe.tftp import fetch

pytestmark = pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not()))

STRANGER = "52:54:00:00:00:99"
SUBNET = Subnet(
    IPv4Network("198.51.100.0/24"),
    IPv4Address("198.51.100.1"),
    IPv4Address("198.51.100.100"),
    IPv4Address("198.51.100.200"),
)
PROXY = replace(NETWORK, mode=DHCPMode.PROXY, first=None, last=None)
RELAY = replace(NETWORK, mode=DHCPMode.RELAY, first=None, last=None, subnets=(SUBNET,))


@contextmanager
def dnsmasq(end: Cable, *options: str) -> Iterator[subprocess.Popen[str]]:
    """One that is none of ours, until it has started; its log is on stderr."""
    command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--log-facility=-"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    leases = f"--dhcp-leasefile=/run/netns/{end.name}.leases"
    with subprocess.Popen(end.argv(*command, "--user=root", leases, *options), text=True, **quiet) as process:
        assert process.stderr is not None
        try:
            while "started, version" not in (line := process.stderr.readline()):
                assert line, "dnsmasq ended"
            yield process
        finally:
            process.terminate()
            process.stderr.read()
            Path(f"/run/netns/{end.name}.leases").unlink(missing_ok=True)


# -- proxy -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lan, socket.socket]]:
    """A site whose DHCP server gives everybody an address, and a seed that says what to boot."""
    with lan() as here:
        end = SeedEnd(here.seed, tmp_path_factory.mktemp("proxy"), PROXY)
        end.enroll(Reservation(KNOWN, "node-1"), Reservation("52:54:00:00:00:02", "node-2", signed=True))
        leased = f"--dhcp-range={MACHINE_ADDRESS},192.0.2.150,255.255.255.0,1h"
        with (
            dnsmasq(here.other, f"--interface={OTHER}", leased),
            end.serving(),
            here.machine.inside(lambda: plug_in(MACHINE)) as link,
        ):
            yield here, link


@pytest.mark.parametrize(
    ("architecture", "ipxe", "boot_file"),
    [
        pytest.param(0, False, "undionly.kpxe", id="BIOS"),
        pytest.param(7, False, "", id="UEFI, which asks port 4011 for it"),
        pytest.param(0, True, SCRIPT_URL, id="iPXE on BIOS"),
        pytest.param(7, True, SCRIPT_URL, id="iPXE on UEFI"),
        pytest.param(16, False, f"{BASE_URL}/boot/loader/snponly.efi", id="HTTP boot"),
    ],
)
def test_the_site_gives_the_address_and_the_seed_what_to_boot(
    proxied: tuple[Lan, socket.socket], architecture: int, ipxe: bool, boot_file: str
) -> None:
    offers = Machine(proxied[1], KNOWN, architecture, ipxe).discover_of(ADDRESS, OTHER_ADDRESS)
    assert {server: offer.kind for server, offer in offers.items()} == {ADDRESS: OFFER, OTHER_ADDRESS: OFFER}
    assert offers[OTHER_ADDRESS].address.startswith("192.0.2.1")
    assert offers[OTHER_ADDRESS].boot_name == ""
    ours = offers[ADDRESS]
    assert (ours.address, ours.boot_name) == ("0.0.0.0", boot_file)
    assert ours.options[60] == (b"HTTPClient" if architecture == 16 else b"PXEClient")


@pytest.mark.parametrize(
    ("mac", "architecture", "boot_file"),
    [(KNOWN, 7, "snponly.efi"), (KNOWN, 9, "snponly.efi"), ("52:54:00:00:00:02", 7, "shimx64.efi")],
)
def test_uefi_asks_port_4011_what_to_boot(
    proxied: tuple[Lan, socket.socket], mac: str, architecture: int, boot_file: str
) -> None:
    if boot_file == SHIM_X64.filename and not SHIM_X64.there:
        pytest.skip("shim-signed and grub-efi-amd64-signed are not installed")
    here, link = proxied
    here.give_address()
    machine = Machine(link, mac, architecture)
    answer = here.machine.inside(lambda: machine.ask_boot_server(ADDRESS))
    assert (answer.kind, answer.boot_name, answer.next_server) == (ACK, boot_file, ADDRESS)


def test_a_stranger_hears_the_site_alone(proxied: tuple[Lan, socket.socket]) -> None:
    _, link = proxied
    Machine(link, STRANGER).send(DISCOVER)
    Machine(link, KNOWN).discover_of(ADDRESS)  # whatever it was to answer the stranger has come before
    assert all(
        reply.options[54] != socket.inet_aton(ADDRESS) for reply in waiting(link) if reply.mac == STRANGER
    )


# -- relay -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lan, socket.socket]]:
    """The machine's NIC `rack1` is in another network, whose router relays to the seed."""
    with lan() as here:
        router, machine = here.other.name, here.machine.name
        ip("-n", router, "link", "add", "rack0", "type", "veth", "peer", "name", "rack1", "netns", machine)
        ip("-n", router, "address", "add", f"{SUBNET.router}/24", "dev", "rack0")
        ip("-n", router, "link", "set", "rack0", "up")
        ip("-n", machine, "link", "set", "rack1", "address", "52:54:00:00:00:07", "up")
        ip("-n", here.seed.name, "route", "add", str(SUBNET.network), "via", OTHER_ADDRESS)
        forwarding = here.other.argv("sysctl", "-qw", "net.ipv4.ip_forward=1")
        subprocess.run(forwarding, check=True)
        end = SeedEnd(here.seed, tmp_path_factory.mktemp("relay"), RELAY)
        end.enroll(Reservation("52:54:00:00:00:07", "node-7", "198.51.100.150"))
        with (
            dnsmasq(here.other, f"--dhcp-relay={SUBNET.router},{ADDRESS}"),
            end.serving(),
            here.machine.inside(lambda: plug_in("rack1")) as link,
        ):
            yield here, link


def test_behind_a_relay_a_machine_gets_address_router_and_loader_of_its_network(
    relayed: tuple[Lan, socket.socket],
) -> None:
    here, link = relayed
    machine = Machine(link, "52:54:00:00:00:07", 7)
    ack = machine.request(machine.discover())
    assert (ack.kind, ack.address, ack.boot_name) == (ACK, "198.51.100.150", "snponly.efi")
    assert ack.options[3] == SUBNET.router.packed
    assert ack.next_server == ADDRESS  # the seed's, not the relay's: that is where TFTP is
    ip("-n", here.machine.name, "address", "add", "198.51.100.150/24", "dev", "rack1")
    ip("-n", here.machine.name, "route", "add", "192.0.2.0/24", "via", str(SUBNET.router))
    assert len(here.machine.inside(lambda: fetch(ADDRESS, "snponly.efi"))) > 100_000


def test_behind_a_relay_a_stranger_gets_nothing(relayed: tuple[Lan, socket.socket]) -> None:
    _, link = relayed
    Machine(link, STRANGER).send(DISCOVER)
    Machine(link, "52:54:00:00:00:07").discover()
    assert [reply for reply in waiting(link) if reply.mac == STRANGER] == []
