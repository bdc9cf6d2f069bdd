"""The embedded TFTP server, asked by tftpy's client and by bytes as no client would send them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pxe.milestones import Milestone
from pxe.tftp import TFTPFailed, TFTPServer, fetch

HOST = "127.0.0.1"
LOADER = bytes(range(256)) * 300 + b"the end"


TOLD: list[Milestone] = []


@pytest.fixture
def told() -> list[Milestone]:
    TOLD.clear()
    return TOLD


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seed")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TFTPServer]:
    root = folder / "tftp"
    (root / "grub").mkdir(parents=True)
    (root / "snponly.efi").write_bytes(LOADER)
    (root / "grub" / "grub.cfg").write_bytes(b"boot\n")
    (root / "exact").write_bytes(bytes(1024))
    (folder / "secrets.key").write_text("nobody is to have this")
    with TFTPServer(root, HOST, TOLD.append, port=0) as server:
        yield server


@pytest.mark.parametrize("block", [512, 1428, 8192])
def test_a_loader_arrives_whole_with_any_block_size(
    server: TFTPServer, told: list[Milestone], block: int
) -> None:
    assert fetch(HOST, "snponly.efi", port=server.port, block=block) == LOADER
    assert told == [
        Milestone("boot.tftp", "sent snponly.efi by TFTP", address=HOST, data={"file": "snponly.efi"})
    ]


def test_a_file_of_whole_blocks_ends_with_an_empty_one(server: TFTPServer) -> None:
    assert fetch(HOST, "exact", port=server.port) == bytes(1024)
    assert fetch(HOST, "/grub/grub.cfg", port=server.port) == b"boot\n"


@pytest.mark.parametrize(
    "name", ["missing.efi", "../secrets.key", "/../secrets.key", "grub/../../secrets.key", "grub"]
)
def test_what_is_not_there_or_outside_is_refused(
    server: TFTPServer, told: list[Milestone], name: str
) -> None:
    with pytest.raises(TFTPFailed):
        fetch(HOST, name, port=server.port, timeout=1)
    assert not any(milestone.kind == "boot.tftp" for milestone in told)


def test_nobody_writes(server: TFTPServer, folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as machine:
        machine.settimeout(5)
        machine.sendto(b"\x00\x02snponly.efi\x00octet\x00", (HOST, server.port))
        answer, _ = machine.recvfrom(2048)
    assert answer[:2] == b"\x00\x05"  # an error
    assert (folder / "tftp" / "snponly.efi").read_bytes() == LOADER


def test_machines_are_served_at_once_also_after_nonsense(server: TFTPServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for frame in (b"", b"\x00", b"\x00\x01", b"\xff" * 600, b"\x00\x01a\x00octet\x00blksize\x00x\x00"):
            stranger.sendto(frame, (HOST, server.port))
    with ThreadPoolExecutor(8) as machines:
        fetched = list(machines.map(lambda _: fetch(HOST, "snponly.efi", port=server.port), range(8)))
    assert fetched == [LOADER] * 8


def test_a_port_that_is_taken_is_said(server: TFTPServer, tmp_path: Path) -> None:
    with pytest.raises(TFTPFailed, match="in use"), TFTPServer(tmp_path, HOST, print, port=server.port):
        pass
