from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import ipmi_peer, tree_peer

from hwdrivers.ipmi import rmcp
from hwdrivers.redfish.service_root import RedfishPort
from hwdrivers.scan import Finding, Plan, find_bmcs, scan
from hwdrivers.scan_machines import machines
from hwdrivers.targets import RangeError, parse_targets

HERE = parse_targets(["127.0.0.1"])


@pytest.mark.parametrize(
    ("texts", "first", "last", "count"),
    [
        (["10.0.0.0/24"], "10.0.0.1", "10.0.0.254", 254),
        (["10.0.0.0/16"], "10.0.0.1", "10.0.255.254", 65534),
        (["10.0.0.8/31"], "10.0.0.8", "10.0.0.9", 2),
        (["10.0.0.8/32"], "10.0.0.8", "10.0.0.8", 1),
        (["10.0.0.10-50"], "10.0.0.10", "10.0.0.50", 41),
        (["10.0.0.250-10.0.1.5"], "10.0.0.250", "10.0.1.5", 12),
        (["10.0.0.5", "10.0.0.4-6"], "10.0.0.5", "10.0.0.6", 3),
        (["2001:db8::/120"], "2001:db8::", "2001:db8::ff", 256),
    ],
)
def test_ranges(texts: list[str], first: str, last: str, count: int) -> None:
    targets = parse_targets(texts)
    assert (str(targets[0]), str(targets[-1]), len(targets)) == (first, last, count)


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["10.0.0.5/24"], "did you mean 10.0.0.0/24"),
        (["10.0.0.0/255.255.255.0"], "did you mean 10.0.0.0/24"),
        (["10.0.0.0/33"], "not a range of addresses in CIDR notation"),
        (["rack 7"], "'rack 7' is not an address or a range"),
        (["10.0.0.9-10.0.0.1"], "does not go upwards"),
        (["10.0.0.0/15"], "more than 65536 addresses"),
        (["10.0.0.0/8"], "more than 65536 addresses"),
        (["10.0.0.0/16", "10.1.0.0/16"], "more than 65536 addresses"),
        ([""], "is not an address"),
        ([], "no range given"),
    ],
)
def test_what_is_no_range_says_what_is(texts: list[str], problem: str) -> None:
    with pytest.raises(RangeError, match=problem) as caught:
        parse_targets(texts)
    assert "; write 10.0.0.0/24" in str(caught.value)


@given(st.lists(st.text(alphabet="0123456789./-:abc ", max_size=20), max_size=3))
def test_any_text_is_a_range_or_a_clear_error(texts: list[str]) -> None:
    with suppress(RangeError):
        assert 0 < len(parse_targets(texts)) <= 65536


def test_both_protocols_are_found_and_told_as_one_machine() -> None:
    found: list[Finding] = []
    steps: list[tuple[int, int]] = []
    with ipmi_peer(identity=True) as ipmi, tree_peer("supermicro-x10") as redfish:
        plan = Plan(ipmi_ports=(ipmi.port,), redfish_ports=(RedfishPort(redfish.port, tls=False),))
        scan(HERE, plan, found=found.append, progress=lambda *step: steps.append(step))
        addresses = {str(finding.address): finding for finding in found}
        assert set(addresses) == {ipmi.address, redfish.address}
        assert addresses[ipmi.address].detail == "IPMI 2.0"
        assert addresses[redfish.address].detail == "Redfish 1.0.1"
        assert addresses[redfish.address].uuid == "00000000-0000-0000-0000-ac1f6b18a241"
        (machine,) = machines(found)
        # This Redfish is not over TLS, so that a log-in there would show the password to the network.
        assert (machine.best.protocol, [other.protocol for other in machine.others]) == ("IPMI", ["Redfish"])
        assert steps[-1] == (4, 4)  # over IPMI everybody may be asked three times
        # Nobody logged in to look.
        assert (ipmi.state()["logins"], redfish.state()["logins"]) == ([], [])


@contextmanager
def echo() -> Iterator[int]:
    """Answers every packet with itself, which is no BMC's answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))

        def run() -> None:
            while (packet := listener.recvfrom(3000))[0]:
                listener.sendto(*packet)

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as poke:
            poke.sendto(b"", listener.getsockname())
        thread.join()


def test_who_answers_otherwise_is_no_bmc() -> None:
    found: list[Finding] = []
    answers = {"GET /redfish/v1": (200, '{"hello": "world"}')}
    with echo() as port, tree_peer("supermicro-x10", answers) as web:
        plan = Plan(
            ipmi_ports=(port,), redfish_ports=(RedfishPort(web.port, tls=False), RedfishPort(web.port))
        )
        scan(HERE, plan, found=found.append)
    assert found == []


def test_a_scan_may_be_left_early() -> None:
    async def first(plan: Plan) -> Finding:
        findings = find_bmcs(parse_targets(["127.0.0.0/22"]), plan)
        async for finding in findings:
            await findings.aclose()  # type: ignore[attr-defined]
            return finding
        raise AssertionError("nothing found")

    with ipmi_peer() as peer:
        plan = Plan(ipmi_ports=(peer.port,), redfish_ports=())
        assert str(asyncio.run(first(plan)).address) == peer.address


def test_the_answers_of_bmcs() -> None:
    pong = bytes.fromhex("0600ff06 000011be 40000010 000011be 00000000 81 00 000000000000")
    assert rmcp.read_answer(pong) == rmcp.Answer()
    assert rmcp.read_answer(
        pong.replace(bytes.fromhex("000011be00000000"), bytes.fromhex("000002a200000000"))
    )
    not_ipmi = bytearray(pong)
    not_ipmi[20] = 0x01
    assert rmcp.read_answer(bytes(not_ipmi)) is None
    # Made by hand: a BMC that tells its maker in the OEM field (0002A2h, Dell).
    auth = bytes.fromhex("0600ff07 00 00000000 00000000 10 811c63 200038 00 01 80 14 02 a20200 00 6d")
    assert rmcp.read_answer(auth) == rmcp.Answer("Dell", "2.0")
    assert rmcp.read_answer(auth[:-1] + b"\x00") is None
    assert rmcp.read_answer(rmcp.GET_CHANNEL_AUTH) is None
    assert rmcp.read_answer(rmcp.PRESENCE_PING) is None


@given(st.binary(max_size=60), st.sampled_from([b"\x06\x00\xff\x06", b"\x06\x00\xff\x07", b""]))
def test_no_packet_breaks_the_reader(packet: bytes, head: bytes) -> None:
    rmcp.read_answer(head + packet)
