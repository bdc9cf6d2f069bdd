"""The listener on a real wire: what its filter in the kernel lets through, and what it survives."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from queue import SimpleQueue

import namespaces
import pytest
from eventually import until
from namespaces import MACHINE, SEED, Cable
from wire_frames import (
    ACK,
    DISCOVER,
    OFFER,
    ack,
    answers,
    asks,
    data,
    dhcp6,
    error,
    http,
    oack,
    rrq,
)
from wire_frames import (
    MACHINE as MAC,
)

from pxe.capture.live import Listener
from pxe.capture.wire import receive, tap
from pxe.milestones import Milestone

pytestmark = pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not()))


@pytest.fixture
def cable() -> Iterator[Cable]:
    with namespaces.cable() as laid:
        yield laid


def wire(cable: Cable, interface: str) -> socket.socket:
    def plug_in() -> socket.socket:
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        link.bind((interface, 0))
        return link

    return cable.inside(plug_in)


HEARD = [
    asks(DISCOVER),
    answers(OFFER),
    asks(DISCOVER, relay="198.51.100.1", to=("192.0.2.1", 67)),
    asks(3, to=("192.0.2.1", 4011)),
    dhcp6(),
    rrq("snponly.efi"),
    ack(0),
    ack(8),
    error(8, "User aborted", by_machine=True),
]
UNHEARD = [
    http("GET /images/debian-12 HTTP/1.1\r\n\r\n"),
    http("x" * 1000, answer=True),
    data(1, 512),
    oack(blksize=1468),
    ack(9),
    ack(40000),
]


def test_the_kernel_lets_dhcp_and_the_beginnings_of_tftp_through_and_nothing_else(cable: Cable) -> None:
    end = asks(DISCOVER, mac="52:54:00:00:00:ee")
    with (
        cable.inside(lambda: tap(SEED)) as heard,
        wire(cable, MACHINE) as machine,
        wire(cable, SEED) as own,
    ):
        heard.setblocking(True)
        heard.settimeout(20)
        own.send(answers(ACK))  # what the seed itself sends is in dnsmasq's log
        for frame in (*UNHEARD, *HEARD, end):
            machine.send(frame)
        found = []
        while (frame := receive(heard)[0]) != end:
            found.append(frame)
    assert found == HEARD


def test_a_tag_that_the_kernel_takes_off_is_not_lost(cable: Cable) -> None:
    with cable.inside(lambda: tap(SEED)) as heard, wire(cable, MACHINE) as machine:
        heard.settimeout(20)
        machine.send(asks(DISCOVER, vlan=7))
        assert receive(heard) == (asks(DISCOVER), 7)
        machine.send(asks(DISCOVER))
        assert receive(heard) == (asks(DISCOVER), None)


def test_whoever_is_told_may_fail(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    told: SimpleQueue[str] = SimpleQueue()

    def fail(found: Milestone) -> None:
        told.put(found.kind)
        raise RuntimeError("the store is gone")

    listener = Listener(SEED, fail)
    cable.inside(listener.__enter__)
    with wire(cable, MACHINE) as machine:
        for frame in (asks(DISCOVER), b"\xff" * 200, answers(OFFER)):
            machine.send(frame)
        assert [told.get(timeout=20) for _ in range(2)] == ["boot.dhcpdiscover", "boot.dhcpoffer"]
    listener.__exit__(None, None, None)
    assert f"what was heard of {MAC} could not be journaled" in caplog.text


def test_an_interface_that_goes_away_is_told_once(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(SEED, lambda found: None)
    cable.inside(listener.__enter__)
    assert listener.alive()
    subprocess.run(cable.argv("ip", "link", "delete", SEED), check=True)
    until(lambda: not listener.alive())
    listener.__exit__(None, None, None)
    assert caplog.text.count(f"DHCP on {SEED} is not listened to") == 1


def test_an_interface_that_is_not_there_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Listener("nosuch0", lambda found: None) as listener:
        assert not listener.alive()
    assert "nosuch0 is not listened to: No such device" in caplog.text


WITHOUT = """
import logging
from pxe.capture.live import Listener
logging.basicConfig(format="%(message)s")
with Listener("lo", print) as listener:
    print("alive" if listener.alive() else "goes on")
"""


def test_without_the_right_to_listen_it_warns_once_and_goes_on() -> None:
    argv = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw", sys.executable, "-c", WITHOUT]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "goes on\n"
    assert done.stderr.count("CAP_NET_RAW") == done.stderr.count("\n") == 1
