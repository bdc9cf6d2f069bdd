"""Capture files of tcpdump, Wireshark and their like: pcap and pcapng, also compressed by gzip."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

import dpkt

from pxe.capture.decoder import Decoder
from pxe.milestones import Milestone

_GZIP = b"\x1f\x8b"
_File = BufferedReader | gzip.GzipFile
_BROKEN = (dpkt.Error, ValueError, OverflowError, struct.error, EOFError, OSError)


class CaptureError(RuntimeError):
    """A file is no capture that can be read; the message says what to do."""


@dataclass(frozen=True)
class Capture:
    """What a file tells, in order; `until` is when its last frame was seen, `cut` that its end is missing."""

    milestones: tuple[Milestone, ...]
    frames: int
    until: datetime
    cut: bool = False


def read(path: Path) -> Capture:
    """All milestones in a capture file; raises CaptureError."""
    try:
        with _opened(path) as file:
            return _decode(path, file)
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror or error}") from error


def _opened(path: Path) -> _File:
    file = path.open("rb")
    if file.peek(2)[:2] != _GZIP:
        return file
    file.close()
    return gzip.open(path)


def _decode(path: Path, file: _File) -> Capture:
    decoder, found, frames, at, cut = Decoder(), list[Milestone](), 0, 0.0, False
    try:
        for at, frame in _frames(path, file):
            frames += 1
            found += decoder.take(frame, at)
    except _BROKEN:
        cut = True  # tcpdump was killed, or its disk was full
    if not frames:
        raise CaptureError(f"{path} holds no frames: was anything captured?")
    found += decoder.end()
    found.sort(key=lambda milestone: milestone.at or _EPOCH)
    return Capture(tuple(found), frames, datetime.fromtimestamp(at, UTC), cut)


def _frames(path: Path, file: _File) -> Iterator[tuple[float, bytes]]:
    """Seconds since the epoch and an Ethernet frame, again and again."""
    try:
        reader: Any = dpkt.pcap.UniversalReader(file)
        link = reader.datalink()
    except _BROKEN as error:
        raise CaptureError(f"{path} is neither pcap nor pcapng; write one with `tcpdump -w`") from error
    if link not in _AS_ETHERNET:
        raise CaptureError(
            f"{path} holds frames of link type {link}, not Ethernet: capture on the wired interface, at the "
            "machine's end or the DHCP server's"
        )
    as_ethernet = _AS_ETHERNET[link]
    for at, frame in reader:
        yield float(at), as_ethernet(frame) if as_ethernet else frame


def _cooked(frame: bytes) -> bytes:
    """What `tcpdump -i any` writes: the sender's address at 6, the protocol at 14 (LINKTYPE_LINUX_SLL)."""
    return _NOWHERE + frame[6:12] + frame[14:]


def _cooked_2(frame: bytes) -> bytes:
    """The same of newer ones: the protocol at 0, the sender's address at 12 (LINKTYPE_LINUX_SLL2)."""
    return _NOWHERE + frame[12:18] + frame[:2] + frame[20:]


_NOWHERE = b"\0" * 6
_EPOCH = datetime.fromtimestamp(0, UTC)
_AS_ETHERNET: dict[int, Callable[[bytes], bytes] | None] = {
    dpkt.pcap.DLT_EN10MB: None,
    dpkt.pcap.DLT_LINUX_SLL: _cooked,
    dpkt.pcap.DLT_LINUX_SLL2: _cooked_2,
}
