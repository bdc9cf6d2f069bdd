"""Frames of the wire, read as milestones of a boot."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wire_frames import (
    ACK,
    ADDRESS,
    DECLINE,
    DISCOVER,
    MACHINE,
    NAK,
    OFFER,
    OTHER,
    OTHER_IP,
    REQUEST,
    SERVER,
    SERVER_IP,
    UUID,
    ack,
    answers,
    asks,
    data,
    dhcp6,
    error,
    frame,
    http,
    oack,
    rrq,
    unreachable,
)

from pxe.capture.decoder import Decoder
from pxe.milestones import KINDS, Milestone


def decode(*frames: bytes, vlan: int | None = None) -> list[Milestone]:
    decoder = Decoder()
    found = [m for at, one in enumerate(frames) for m in decoder.take(one, at, vlan)]
    return found + decoder.end()


def only(*frames: bytes, vlan: int | None = None) -> Milestone:
    (found,) = decode(*frames, vlan=vlan)
    assert found.kind in KINDS
    return found


# -- DHCP ---------------------------------------------------------------------------------------------


def test_a_discover_tells_what_the_machine_is() -> None:
    found = only(asks(DISCOVER))
    assert (found.kind, found.mac, found.message) == ("boot.dhcpdiscover", MACHINE, "DHCPDISCOVER")
    assert found.data == {
        "architecture": 7,
        "vendor_class": "PXEClient:Arch:00007:UNDI:003016",
        "uuid": UUID,
    }


def test_http_boot_and_ipxe_are_told_apart() -> None:
    http_boot = only(asks(DISCOVER, {60: b"HTTPClient:Arch:00016:UNDI:003001"}, architecture=16))
    assert http_boot.data["vendor_class"].startswith("HTTPClient")
    assert http_boot.data["architecture"] == 16
    for user_class in (b"iPXE", b"\4iPXE"):  # as iPXE sends it, and as RFC 3004 has it
        assert only(asks(DISCOVER, {77: user_class})).data["user_class"] == "iPXE"
    assert only(asks(DISCOVER, {175: b"\1\2\3"})).data["user_class"] == "iPXE"


def test_an_answer_tells_by_whom_and_what_to_boot() -> None:
    offer = only(answers(OFFER, file="pxelinux.0"))
    assert (offer.kind, offer.mac, offer.address) == ("boot.dhcpoffer", MACHINE, ADDRESS)
    assert offer.message == f"DHCPOFFER {ADDRESS}"
    assert offer.data["server"] == SERVER_IP
    assert offer.data["server_mac"] == SERVER
    assert offer.data["file"] == "pxelinux.0"
    assert offer.data["next_server"] == SERVER_IP
    assert only(answers(ACK, {67: b"snponly.efi\0"}, file="other")).data["file"] == "snponly.efi"
    assert only(answers(NAK, {56: b"wrong network"}, address="0.0.0.0")).data["reason"] == "wrong network"


def test_a_request_tells_whose_offer_is_taken() -> None:
    chosen = {50: bytes([192, 0, 2, 101]), 54: bytes([192, 0, 2, 254])}
    found = only(asks(REQUEST, chosen))
    assert found.message == f"DHCPREQUEST {ADDRESS}"
    assert found.data["server"] == OTHER_IP


def test_a_declined_address_is_told() -> None:
    found = only(asks(DECLINE, {50: bytes([192, 0, 2, 101])}))
    assert (found.kind, found.address) == ("boot.dhcpdecline", ADDRESS)


def test_proxy_dhcp_gives_no_address() -> None:
    offer, question, answer = decode(
        answers(OFFER, {60: b"PXEClient"}, address="0.0.0.0", file="snponly.efi"),
        asks(REQUEST, to=(SERVER_IP, 4011)),
        answers(ACK, {60: b"PXEClient"}, address="0.0.0.0", file="snponly.efi"),
    )
    assert offer.data["proxy"] and answer.data["proxy"]
    assert offer.message == "DHCPOFFER without an address (proxyDHCP)"
    assert question.message == f"DHCPREQUEST to {SERVER_IP} port 4011 (proxyDHCP)"


def test_a_relay_is_named_and_its_mac_is_nobodys() -> None:
    port = b"\1\x05Gi1/7"
    asked = only(asks(DISCOVER, {82: port}, relay="198.51.100.1", to=(SERVER_IP, 67)))
    assert (asked.data["relay"], asked.data["circuit"]) == ("198.51.100.1", "Gi1/7")
    answered = only(answers(OFFER, relay="198.51.100.1"))
    assert answered.data["relay"] == "198.51.100.1"
    assert "server_mac" not in answered.data


@pytest.mark.parametrize("inside", [True, False])
def test_a_tag_is_told_whoever_took_it_off(inside: bool) -> None:
    found = only(asks(DISCOVER, vlan=7 if inside else None), vlan=None if inside else 7)
    assert found.data["vlan"] == 7


def test_firmware_that_asks_by_ipv6_is_told_from_a_system() -> None:
    found = only(dhcp6())
    assert (found.kind, found.mac, found.data) == ("boot.dhcp6", MACHINE, {"architecture": 16})
    assert decode(dhcp6(None)) == []


# -- TFTP ---------------------------------------------------------------------------------------------


def transfer(blocks: int, size: int = 1468, last: int = 100, port: int = 2000) -> list[bytes]:
    whole = [rrq("boot/snponly.efi", port, blksize=size, tsize=0), oack(port, blksize=size), ack(0, port)]
    for block in range(1, blocks + 1):
        whole += [data(block, last if block == blocks else size, port), ack(block, port)]
    return whole


def test_a_file_that_arrives() -> None:
    found = only(*transfer(3))
    assert (found.kind, found.message) == ("boot.tftp", "sent snponly.efi by TFTP")
    assert (found.mac, found.address) == (MACHINE, ADDRESS)
    assert found.data == {"file": "boot/snponly.efi"}


def test_a_file_of_more_blocks_than_can_be_numbered() -> None:
    """Windows of 30000 blocks (RFC 7440), past the 65535 that can be told apart."""
    windows = [frame for block in (30000, 60000, 90000) for frame in (data(block, 512), ack(block))]
    (found,) = decode(rrq("kernel"), *windows, data(90001, 3), ack(90001))
    assert found.kind == "boot.tftp"
    (stalled,) = decode(rrq("kernel"), *windows)
    assert stalled.data["blocks"] == 90000


def test_a_request_for_the_size_alone_is_none() -> None:
    by_option = [rrq("a.efi", tsize=0), oack(tsize=9), error(8, "User aborted", by_machine=True)]
    by_data = [rrq("a.efi", tsize=0), data(1, 512), error(0, "TFTP Aborted", by_machine=True)]
    assert decode(*by_option, *by_data) == []


@pytest.mark.parametrize(
    ("frames", "failure", "reason"),
    [
        pytest.param(
            [rrq("a.efi")] * 4, "unanswered", "no answer to 4 requests arrives", id="nobody answers"
        ),
        pytest.param(
            [rrq("a.efi"), error(1, "File not found")],
            "not-found",
            "the server says: error 1 File not found",
            id="not found",
        ),
        pytest.param(
            [*transfer(9)[:5], data(2, 1468), data(2, 1468), data(2, 1468)],
            "broken",
            "block 2 of 1468 bytes was sent 3 times and never acknowledged",
            id="data do not arrive",
        ),
        pytest.param(
            [*transfer(9)[:5], ack(1), ack(1)],
            "broken",
            "block 1 of 1468 bytes was acknowledged, and no other one came",
            id="data are not seen where the machine stands",
        ),
        pytest.param(
            [*transfer(9)[:3], ack(0)],
            "first-block",
            "blocks of 1468 bytes were agreed on, and none arrives",
            id="no data at all",
        ),
        pytest.param(
            [*transfer(9)[:5], error(0, "out of memory", by_machine=True)],
            "broken",
            "the machine broke off after 1 blocks: error 0 out of memory",
            id="broken off",
        ),
        pytest.param(
            [
                rrq("a.efi", blksize=1468),
                oack(blksize=1468),
                data(1, 1468),
                unreachable(4, data(1, 1468), 1280),
            ],
            "first-block",
            "fragmentation needed, MTU 1280 (ICMP from 192.0.2.77); "
            "block 1 of 1468 bytes was sent 1 times and never acknowledged",
            id="too large for a tunnel",
        ),
        pytest.param(
            [rrq("a.efi"), unreachable(13, rrq("a.efi"))],
            "unanswered",
            "forbidden (ICMP from 192.0.2.77); no answer to 1 request arrives",
            id="forbidden by a firewall",
        ),
    ],
)
def test_a_file_that_does_not_arrive_tells_where_it_stopped(
    frames: list[bytes], failure: str, reason: str
) -> None:
    found = only(*frames)
    assert found.kind == "boot.tftp-failed"
    assert (found.data["failure"], found.data["reason"]) == (failure, reason)
    assert found.message.endswith(reason)


def test_a_machine_that_is_heard_alone() -> None:
    """As a seed hears it, whose own frames are not listened to."""
    decoder = Decoder(half=True)

    def hear(*frames: bytes) -> list[str]:
        assert [m for one in frames for m in decoder.take(one, 5)] == []
        assert decoder.stalled(5) == []
        return [m.data["reason"] for m in decoder.stalled(6)]

    assert hear(rrq("a.efi"), rrq("a.efi", 2001)) == ["no answer to 2 requests arrives"]
    assert hear(rrq("a.efi", blksize=1468), ack(0)) == [
        "blocks of 1468 bytes were agreed on, and none arrives"
    ]
    assert hear(rrq("a.efi", blksize=1468), ack(0), ack(1)) == []
    assert hear(rrq("a.efi"), ack(0), error(8, "size known", by_machine=True)) == []
    assert not decoder.waits


def test_firmware_that_asks_for_the_size_and_says_no_more() -> None:
    assert only(rrq("boot/snponly.efi", 1999, tsize=0), oack(1999, tsize=9), *transfer(2)).kind == "boot.tftp"


def test_a_server_that_knows_no_options_sends_512_bytes() -> None:
    frames = [rrq("a.efi", blksize=1468), data(1, 512), ack(1), data(2, 9), ack(2)]
    assert only(*frames).kind == "boot.tftp"


def test_the_next_request_ends_a_transfer_that_stalled() -> None:
    stalled, done = decode(*transfer(9)[:5], *transfer(2, port=2001))
    assert (stalled.kind, done.kind) == ("boot.tftp-failed", "boot.tftp")


def test_a_machine_behind_a_router_is_known_by_its_lease() -> None:
    routed = [one[:6] + b"\2\0\0\0\0\2" + one[12:] for one in transfer(2)]
    *_, found = decode(answers(ACK, relay="198.51.100.1"), *routed)
    assert (found.kind, found.mac) == ("boot.tftp", MACHINE)


# -- HTTP ---------------------------------------------------------------------------------------------

OK, MISSING = "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/snponly.efi", "boot.http-loader"),
        ("/boot.ipxe", "boot.http-loader"),
        ("/boot/script?mac=52:54:00:00:00:01", "boot.script"),
        ("/pxe/menu.ipxe", "boot.script"),
        ("/grub/grub.cfg-01-52-54-00-00-00-01", "boot.script"),
        ("/boot/0b7f/kernel", "boot.kernel"),
        ("/debian/vmlinuz-6.1", "boot.kernel"),
        ("/boot/0b7f/initramfs", "boot.initramfs"),
        ("/debian/initrd.img", "boot.initramfs"),
        ("/v1/lookup?addresses=52:54:00:00:00:01", "agent.lookup"),
        ("/images/debian-12", None),
    ],
)
def test_what_is_fetched_is_known_by_its_path(path: str, kind: str | None) -> None:
    found = decode(http(f"GET {path} HTTP/1.1\r\nHost: seed\r\n\r\n"), http(OK, answer=True))
    assert [m.kind for m in found] == ([kind] if kind else [])
    assert all(m.data["file"] == path for m in found)


def test_a_refusal_tells_the_status() -> None:
    script = only(http("GET /boot/script?mac=1 HTTP/1.1\r\n\r\n"), http(MISSING, answer=True))
    assert (script.kind, script.data["reason"]) == ("boot.script-refused", "404 Not Found")
    kernel = only(http("GET /boot/1/kernel HTTP/1.1\r\n\r\n"), http(MISSING, answer=True))
    assert (kernel.kind, kernel.data["reason"]) == ("boot.http-failed", "404 Not Found")
    assert (kernel.mac, kernel.address, kernel.data["server"]) == (MACHINE, ADDRESS, f"{SERVER_IP}:8080")


def test_a_question_without_an_answer_still_tells_how_far_the_machine_came() -> None:
    found = only(http("GET /boot/1/kernel HTTP/1.1\r\n\r\n"))
    assert found.kind == "boot.kernel"
    assert found.message.endswith("no answer seen")


SYN, SYN_ACK, RST = 2, 0x12, 0x14


def test_a_port_that_is_closed_or_filtered_is_told() -> None:
    refused = only(http("", flags=SYN), http("", flags=RST, answer=True))
    assert (refused.kind, refused.data["reason"]) == ("boot.http-failed", "connection refused")
    silent = only(*[http("", flags=SYN)] * 4)
    assert silent.data["reason"] == "no answer to 4 attempts to connect"
    assert decode(http("", flags=SYN), http("", flags=SYN_ACK, answer=True), http("", flags=RST)) == []


# -- what is none of it -------------------------------------------------------------------------------


EVERYTHING = (
    asks(DISCOVER, {77: b"iPXE", 82: b"\1\3abc"}, vlan=5),
    answers(OFFER, {66: b"boot", 67: b"file"}),
    dhcp6(),
    *transfer(2),
    error(1, "x"),
    unreachable(4, data(1, 10)),
    http("GET /boot/script HTTP/1.1\r\n\r\n"),
    http(MISSING, answer=True),
)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A frame that was cut, or in which bytes were changed."""
    whole = bytearray(draw(st.sampled_from(EVERYTHING)))
    for _ in range(draw(st.integers(0, 8))):
        whole[draw(st.integers(0, len(whole) - 1))] = draw(st.integers(0, 255))
    return bytes(whole[: draw(st.integers(0, len(whole)))])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(broken(), st.binary(max_size=80)), max_size=12))
@example([b"", b"\x81\x00" * 40, b"\xff" * 60])
def test_no_frame_breaks_the_decoder(frames: list[bytes]) -> None:
    for milestone in decode(*EVERYTHING, *frames):
        assert milestone.kind in KINDS
        assert milestone.message.isprintable()


def test_what_is_cut_short_or_none_of_booting_says_nothing() -> None:
    whole = asks(DISCOVER)
    assert [decode(whole[:length]) for length in range(0, 280, 7)] == [[]] * 40
    assert decode(frame(b"\x45" + b"\0" * 30, MACHINE, SERVER), struct.pack("60x")) == []


def test_who_answers_is_the_sender_where_no_option_says_so() -> None:
    said = answers(OFFER, {54: b""}, server=(OTHER_IP, OTHER))
    assert only(said).data["server"] == OTHER_IP
