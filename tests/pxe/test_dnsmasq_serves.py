"""dnsmasq for real: a cable in a network namespace, the seed at one end, a machine at the other."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import namespaces
import pytest
from dhcp_machine import ACK, DISCOVER, NAK, OFFER, Machine, plug_in, waiting
from dnsmasq_seed import BASE_URL, SCRIPT_URL, SeedEnd
from eventually import until
from namespaces import ADDRESS, MACHINE, SEED, Cable

from pxe.daemon import DaemonFailed, Dnsmasq
from pxe.dnsmasq import Reservation
from pxe.firmware import REQUIRED
from pxe.tftp import TFTPFailed, fetch

pytestmark = pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not()))

KNOWN = "52:54:00:00:00:01"
STRANGER = "52:54:00:00:00:99"
RESERVED = "192.0.2.101"


@pytest.fixture
def cable() -> Iterator[Cable]:
    with namespaces.cable(KNOWN) as laid:
        yield laid


@pytest.fixture
def seed(cable: Cable, tmp_path: Path) -> SeedEnd:
    end = SeedEnd(cable, tmp_path)
    end.enroll(Reservation(KNOWN, "node-1", RESERVED))
    return end


@pytest.fixture
def link(cable: Cable) -> Iterator[socket.socket]:
    with cable.inside(lambda: plug_in(MACHINE)) as wire:
        yield wire


@pytest.mark.parametrize(
    ("architecture", "ipxe", "boot_file"),
    [
        pytest.param(0, False, "undionly.kpxe", id="BIOS"),
        pytest.param(7, False, "snponly.efi", id="UEFI"),
        pytest.param(9, False, "snponly.efi", id="UEFI by the letter of RFC 4578"),
        pytest.param(0, True, SCRIPT_URL, id="iPXE on BIOS"),
        pytest.param(7, True, SCRIPT_URL, id="iPXE on UEFI"),
        pytest.param(16, False, f"{BASE_URL}/boot/loader/snponly.efi", id="HTTP boot"),
        pytest.param(27, False, "", id="RISC-V, for which there is no loader"),
        pytest.param(None, False, "", id="an operating system"),
    ],
)
def test_firmware_gets_its_reserved_address_and_what_it_boots(
    seed: SeedEnd, link: socket.socket, architecture: int | None, ipxe: bool, boot_file: str
) -> None:
    machine = Machine(link, KNOWN, architecture, ipxe)
    with seed.serving():
        offer = machine.discover()
        ack = machine.request(offer)
    assert (offer.kind, ack.kind) == (OFFER, ACK)
    for reply in (offer, ack):
        assert reply.mac == KNOWN
        assert reply.address == RESERVED
        assert reply.boot_name == boot_file
        assert reply.options[1] == socket.inet_aton("255.255.255.0")
        assert reply.options[54] == socket.inet_aton(ADDRESS)
        assert reply.options[12] == b"node-1"
        if boot_file:
            assert reply.next_server == ADDRESS
        if boot_file.startswith("http") and not ipxe:  # UEFI specification section 24.7.3.1
            assert reply.options[60] == b"HTTPClient"


def test_a_stranger_gets_nothing_and_a_node_without_an_address_one_from_the_range(
    seed: SeedEnd, link: socket.socket
) -> None:
    seed.enroll(Reservation(KNOWN, "node-1"))
    with seed.serving():
        Machine(link, STRANGER).send(DISCOVER)
        seed.log.wait_for(f"{STRANGER} ignored")
        offer = Machine(link, KNOWN).discover()
        seed.log.wait_for(f"DHCPOFFER({SEED}) {offer.address} {KNOWN}")
    assert 192 <= int(offer.address.rpartition(".")[2]) <= 254
    assert [reply for reply in waiting(link) if reply.mac == STRANGER] == []
    assert not seed.log.having(f"{STRANGER} node")


def test_a_host_that_is_enrolled_meanwhile_is_answered_after_a_reload(
    seed: SeedEnd, link: socket.socket
) -> None:
    with seed.serving() as daemon:
        Machine(link, STRANGER).send(DISCOVER)
        seed.log.wait_for(f"{STRANGER} ignored")
        seed.enroll(Reservation(KNOWN, "node-1", RESERVED), Reservation(STRANGER, "node-2", "192.0.2.102"))
        seen = len(seed.log.having("dnsmasq.hosts"))
        daemon.reload()
        seed.log.wait_for("dnsmasq.hosts", seen + 1)
        assert Machine(link, STRANGER).discover().address == "192.0.2.102"
        assert Machine(link, KNOWN).discover().address == RESERVED


def test_names_that_dnsmasq_takes_for_something_else_cost_nobody_the_reservation(
    seed: SeedEnd, link: socket.socket
) -> None:
    names = ["ignore", "infinite", "45m", "12", "rack 1, node 7", "a_b"]
    macs = [f"52:54:00:00:01:{number:02x}" for number in range(len(names))]
    seed.enroll(
        *(
            Reservation(mac, name, f"192.0.2.{110 + number}")
            for number, (mac, name) in enumerate(zip(macs, names, strict=True))
        )
    )
    with seed.serving():
        offers = [Machine(link, mac).discover() for mac in macs]
    assert [offer.address for offer in offers] == [f"192.0.2.{110 + number}" for number in range(len(names))]
    assert {offer.options[51] for offer in offers} == {struct.pack("!I", 600)}


def test_a_machine_whose_reservation_changed_is_sent_to_its_new_address(
    seed: SeedEnd, link: socket.socket
) -> None:
    machine = Machine(link, KNOWN)
    with seed.serving() as daemon:
        before = machine.request(machine.discover()).address
        seed.enroll(Reservation(KNOWN, "node-1", "192.0.2.102"))
        seen = len(seed.log.having("dnsmasq.hosts"))
        daemon.reload()
        seed.log.wait_for("dnsmasq.hosts", seen + 1)
        assert machine.ask_for(before).kind == NAK
        assert machine.request(machine.discover()).address == "192.0.2.102"


def test_nobody_takes_the_seed_for_an_ipv6_router(seed: SeedEnd, cable: Cable) -> None:
    """iPXE waits for a router advertisement; its lifetime of 0 says: not a default route (RFC 4861 4.2)."""
    if not Path("/proc/sys/net/ipv6").exists():
        pytest.skip("this kernel has no IPv6")

    def listen() -> socket.socket:
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))
        listener.bind((MACHINE, 0))
        listener.settimeout(30)
        return listener

    with cable.inside(listen) as wire, seed.serving():
        while True:
            frame = wire.recv(2048)
            if frame[20] == socket.IPPROTO_ICMPV6 and frame[54] == 134:
                break
    (lifetime,) = struct.unpack_from("!H", frame, 60)
    assert lifetime == 0


def test_both_loaders_come_by_tftp_byte_for_byte(seed: SeedEnd, cable: Cable) -> None:
    with seed.serving():
        for loader in REQUIRED:
            assert cable.inside(lambda name=loader.filename: fetch(ADDRESS, name)) == loader.path.read_bytes()
            seed.log.wait_for(f"sent {seed.directory}/tftp/{loader.filename} to {ADDRESS}")
        with pytest.raises(TFTPFailed, match=f"missing.efi from {ADDRESS}:69 by TFTP"):
            cable.inside(lambda: fetch(ADDRESS, "missing.efi"))
        with pytest.raises(TFTPFailed):
            cable.inside(lambda: fetch(ADDRESS, "../dnsmasq.conf"))


def test_dnsmasq_that_is_killed_is_started_again(seed: SeedEnd, link: socket.socket) -> None:
    with seed.serving():
        first = seed.pid()
        os.kill(first, signal.SIGKILL)
        seed.log.wait_for("started, version", 2)
        until(lambda: seed.processes() and first not in seed.processes())
        assert Machine(link, KNOWN).discover().address == RESERVED
    assert seed.processes() == []


def test_leaving_ends_it_also_when_it_crashed_just_now(seed: SeedEnd) -> None:
    with seed.serving():
        os.kill(seed.pid(), signal.SIGKILL)
    assert seed.processes() == []


def test_a_supervisor_that_is_killed_leaves_no_dnsmasq(seed: SeedEnd, cable: Cable) -> None:
    supervisor = subprocess.Popen(
        cable.argv(sys.executable, "-c", SUPERVISOR, str(seed.configuration)),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == "serving\n"
    assert len(seed.processes()) == 1
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    until(lambda: seed.processes() == [])


SUPERVISOR = """
import sys, threading
from pathlib import Path
from pxe.daemon import Dnsmasq
with Dnsmasq(Path(sys.argv[1]), lambda line: None):
    print("serving", flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize(("port", "words"), [(67, "DHCP"), (69, "TFTP|port 69|listening socket")])
def test_a_port_that_is_taken_is_told_in_dnsmasqs_own_words(
    seed: SeedEnd, cable: Cable, port: int, words: str
) -> None:
    refused = pytest.raises(DaemonFailed, match=words)
    with cable.inside(lambda: _occupy(port)), refused as error, seed.serving():
        pass
    assert "Address already in use" in str(error.value)
    assert seed.processes() == []
    with seed.serving():  # and with the port free again it serves
        assert len(seed.processes()) == 1


def _occupy(port: int) -> socket.socket:
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind(("0.0.0.0", port))
    return taken


def test_a_configuration_that_is_wrong_is_told_in_dnsmasqs_own_words(tmp_path: Path) -> None:
    configuration = tmp_path / "dnsmasq.conf"
    configuration.write_text("port=0\nno-such-option\n")
    with pytest.raises(DaemonFailed, match=f"bad option at line 2 of {configuration}"):
        Dnsmasq(configuration, lambda line: None).__enter__()
