"""A scan over a simulated fleet: everybody who is there and nobody else, with few questions and no log-in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from simulated import Settings, Simulation

from hwdrivers.ipmi import rmcp
from hwdrivers.redfish.service_root import RedfishPort
from hwdrivers.scan import Finding, Plan, scan
from hwdrivers.targets import parse_targets

BLOCK = "127.71.0.0/22"
AUTH = bytes.fromhex("0600ff07 00 00000000 00000000 10 811c63 200038 00 01 80 14 02 a20200 00 6d")
PONG = bytes.fromhex("0600ff06 000011be 40000010 000002a2 00000000 81 00 000000000000")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    with Simulation(Settings(block=BLOCK, bmcs=80, scattered=True)) as running:
        yield running


def found(texts: list[str], plan: Plan, exclude: tuple[str, ...] = ()) -> list[Finding]:
    told: list[Finding] = []
    scan(parse_targets(texts, exclude), plan, found=told.append)
    return told


def test_all_bmcs_of_a_range_are_found_once_and_nobody_else(fleet: Simulation) -> None:
    plan = Plan((fleet.ipmi_port or 0,), (RedfishPort(fleet.redfish_port or 0, tls=False),), ssdp=False)
    outside = fleet.addresses[0]
    told = [str(finding.address) for finding in found([BLOCK], plan, (outside,))]
    there = fleet.addresses[1:]
    expected = {protocol(address) for address in there for protocol in (fleet.ipmi, fleet.redfish)}
    assert sorted(told) == sorted(expected)
    for address in there:
        seen = fleet.remembered(address)
        # One question over IPMI, one for the service root; who has answered is not asked again.
        assert (seen["requests"], seen["logins"]) == (2, 0), seen
    assert fleet.remembered(outside)["requests"] == 0


@contextmanager
def peer(host: str, act: Callable[[socket.socket, bytes, tuple[str, int]], None]) -> Iterator[int]:
    """A BMC of the test's own; `act` gets each question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((host, 0))

        def run() -> None:
            while True:
                packet, asker = listener.recvfrom(3000)
                if not packet:
                    return
                act(listener, packet, asker)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.sendto(b"", listener.getsockname())
            thread.join()


def test_an_answer_that_comes_after_the_next_question_counts_once() -> None:
    asked: list[bytes] = []

    def late(listener: socket.socket, packet: bytes, asker: tuple[str, int]) -> None:
        asked.append(packet)
        if packet == rmcp.PRESENCE_PING:
            listener.sendto(AUTH, asker)
            listener.sendto(PONG, asker)

    with peer("127.71.4.1", late) as port:
        (finding,) = found(["127.71.4.1"], Plan((port,), ()))
    assert (finding.detail, finding.vendor) == ("IPMI 2.0", "Dell")
    assert asked == [rmcp.GET_CHANNEL_AUTH, rmcp.PRESENCE_PING]


def test_a_bmc_that_answers_only_a_ping_is_found() -> None:
    def strict(listener: socket.socket, packet: bytes, asker: tuple[str, int]) -> None:
        if packet == rmcp.PRESENCE_PING:
            listener.sendto(PONG, asker)

    with peer("127.71.4.2", strict) as port:
        (finding,) = found(["127.71.4.2"], Plan((port,), ()))
    assert (finding.detail, finding.vendor) == ("IPMI, version not told", "Dell")


def test_who_was_not_asked_is_not_heard() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.71.4.4", 0))

        def impostor(listener: socket.socket, packet: bytes, asker: tuple[str, int]) -> None:
            other.sendto(AUTH, asker)

        with peer("127.71.4.3", impostor) as port:
            assert found(["127.71.4.3-4"], Plan((port,), ())) == []


def test_a_bmc_that_refuses_to_tell_is_one() -> None:
    # Completion code C9h, parameter out of range: an IPMI 1.5 BMC that does not know the IPMI 2.0 bit.
    refusal = bytes.fromhex("0600ff07 00 00000000 00000000 08 811c63 200038 c9 df")
    assert rmcp.read_answer(refusal) == rmcp.Answer()
    assert rmcp.read_answer(refusal.replace(b"\x81\x1c\x63", b"\x81\x1c\x64")) is None


def test_a_service_root_behind_a_log_in_is_still_a_service(fleet: Simulation) -> None:
    from peers import tree_peer

    answers = {"GET /redfish/v1": (401, "{}"), "GET /redfish": (200, '{"v1": "/redfish/v1/"}')}
    with tree_peer("supermicro-x10", answers) as web:
        (finding,) = found(["127.0.0.1"], Plan((), (RedfishPort(web.port, tls=False),), ssdp=False))
    assert finding.detail == "Redfish, version not told"
