"""Capture files as tcpdump and Wireshark write them, whole or not."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_frames import ACK, DISCOVER, MACHINE, OFFER, REQUEST, ack, answers, asks, data, rrq, write

from pxe.capture.file import CaptureError, read

BOOT = (asks(DISCOVER), answers(OFFER), asks(REQUEST), answers(ACK), rrq("a.efi"), data(1, 5), ack(1))
KINDS = ["boot.dhcpdiscover", "boot.dhcpoffer", "boot.dhcprequest", "boot.dhcpack", "boot.tftp"]


def kinds(path: Path) -> list[str]:
    return [milestone.kind for milestone in read(path).milestones]


@pytest.mark.parametrize("ng", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_boot_in_every_format(tmp_path: Path, ng: bool, packed: bool) -> None:
    path = write(tmp_path / "boot.pcap", BOOT, ng=ng)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    found = read(path)
    assert [m.kind for m in found.milestones] == KINDS
    assert {m.mac for m in found.milestones} == {MACHINE}
    assert [str(m.at) for m in found.milestones][:2] == [
        "2026-11-23 00:00:00+00:00",
        "2026-11-23 00:00:01+00:00",
    ]
    assert (found.frames, found.until.second, found.cut) == (7, 6, False)


@pytest.mark.parametrize(
    ("link", "cooked"),
    [
        pytest.param(113, lambda f: b"\0\0\0\1\0\6" + f[6:12] + b"\0\0" + f[12:], id="SLL"),
        pytest.param(
            276, lambda f: f[12:14] + b"\0" * 6 + b"\0\1\0\6" + f[6:12] + b"\0\0" + f[14:], id="SLL2"
        ),
    ],
)
def test_a_capture_on_any_interface(tmp_path: Path, link: int, cooked: object) -> None:
    assert callable(cooked)
    assert kinds(write(tmp_path / "any.pcap", map(cooked, BOOT), link=link)) == KINDS


def test_what_tcpdump_kept_of_long_frames_is_enough(tmp_path: Path) -> None:
    blocks = [one for block in (1, 2) for one in (data(block, 512), ack(block))]
    whole = write(tmp_path / "whole.pcap", [rrq("a.efi"), *blocks, data(3, 500), ack(3)])
    with whole.open("rb") as file, (tmp_path / "short.pcap").open("wb") as short:
        writer = dpkt.pcap.Writer(short, snaplen=64)
        for at, frame in dpkt.pcap.Reader(file):
            writer.writepkt(frame[:64], at)
    assert kinds(tmp_path / "short.pcap") == ["boot.tftp"]


def test_a_file_whose_end_is_missing_tells_what_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.pcap", BOOT)
    whole = path.read_bytes()
    path.write_bytes(whole[:-70])
    assert kinds(path)[:4] == KINDS[:4]
    path.write_bytes(whole + whole[-50:-40])
    assert kinds(path) == KINDS
    assert read(path).cut


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("tcpdump: listening on eth0\n")


def header(path: Path) -> None:
    write(path, [])


def serial_line(path: Path) -> None:
    write(path, BOOT, link=9)


def half_packed(path: Path) -> None:
    path.write_bytes(gzip.compress(b"x" * 100)[:20])


def folder(path: Path) -> None:
    path.mkdir()


def missing(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty, "neither pcap nor pcapng"),
        (text, "neither pcap nor pcapng"),
        (half_packed, "neither pcap nor pcapng"),
        (header, "holds no frames"),
        (serial_line, "link type 9, not Ethernet"),
        (folder, "Is a directory"),
        (missing, "No such file"),
    ],
)
def test_what_is_no_capture_is_told_so(tmp_path: Path, make: object, words: str) -> None:
    assert callable(make)
    make(tmp_path / "odd.pcap")
    with pytest.raises(CaptureError, match=words) as refused:
        read(tmp_path / "odd.pcap")
    assert str(tmp_path / "odd.pcap") in str(refused.value)


@settings(max_examples=150, deadline=None)
@given(
    st.booleans(), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=6), st.integers(0)
)
def test_no_file_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, ng: bool, changes: list[tuple[int, int]], end: int
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "broken.pcap", BOOT[:3], ng=ng)
    whole = bytearray(path.read_bytes())
    for at, value in changes:
        whole[at % len(whole)] = value
    path.write_bytes(whole[: end % (len(whole) + 1)])
    with suppress(CaptureError):
        assert read(path).frames
