"""`undercloud why --pcap`: what a capture tells where no seed runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from wire_frames import (
    ACK,
    DISCOVER,
    MACHINE,
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
    http,
    oack,
    rrq,
    write,
)

from bootstrap.cli import app

SECOND, THIRD = "52:54:00:00:00:02", "52:54:00:00:00:03"
LEASED = [
    asks(DISCOVER),
    answers(OFFER, file="snponly.efi"),
    asks(REQUEST, {54: bytes([192, 0, 2, 1])}),
    answers(ACK, file="snponly.efi"),
]
LOADED = [*LEASED, rrq("snponly.efi"), data(1, 20), ack(1)]
STALLED = [
    *LEASED,
    rrq("snponly.efi", blksize=1468),
    oack(blksize=1468),
    ack(0),
    data(1, 1468),
    data(1, 1468),
]
TAKEN = [
    asks(DISCOVER, mac=SECOND, architecture=0),
    answers(OFFER, mac=SECOND, address="192.0.2.50", server=(OTHER_IP, OTHER)),
    answers(OFFER, mac=SECOND, address="192.0.2.102", file="snponly.efi"),
    asks(REQUEST, {54: bytes([192, 0, 2, 254])}, mac=SECOND, architecture=0),
]
UNHEARD = [asks(DISCOVER, mac=THIRD)] * 4
LAPTOP = [asks(DISCOVER, mac="52:54:00:00:00:77", architecture=None)]


def why(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["why", *words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def told(path: Path, *words: str) -> dict[str, Any]:
    code, said, complained = why("--pcap", str(path), *words, "-o", "json")
    assert (code, complained) == (0, "")
    found = json.loads(said)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return write(tmp_path / "boot.pcap", [*STALLED, *TAKEN, *UNHEARD, *LAPTOP])


def test_several_machines_are_a_table(capture: Path) -> None:
    code, said, _ = why("--pcap", str(capture))
    assert code == 0
    rows = {line.split()[0]: " ".join(line.split()) for line in said.splitlines() if line.strip()}
    assert f"{SERVER_IP} {SERVER} addresses 3 snponly.efi" in rows[SERVER_IP]
    assert f"{OTHER_IP} {OTHER} addresses 1 -" in rows[OTHER_IP]
    assert "x86-64 UEFI 192.0.2.101 1 TFTP" in rows[MACHINE]
    assert "x86 BIOS - 1 another DHCP server answers" in rows[SECOND]
    assert "no DHCP server answers" in rows[THIRD]
    assert "52:54:00:00:00:77" not in said
    assert f"--pcap {capture} --mac {MACHINE}" in said


@pytest.mark.parametrize("mac", [MACHINE, "52-54-00-00-00-01", "525400000001"])
def test_one_machine_is_told_hop_by_hop(capture: Path, mac: str) -> None:
    code, said, _ = why("--pcap", str(capture), "--mac", mac)
    assert code == 0
    assert "DHCPDISCOVER by PXEClient:Arch:00007:UNDI:003016, x86-64 UEFI" in said
    assert f"DHCPOFFER 192.0.2.101 by {SERVER_IP}, boot file snponly.efi" in said
    assert f"{MACHINE} is stuck before the boot loader  [loader.tftp-blocks]" in said
    assert "block 1 of 1468 bytes was sent 2 times and never acknowledged" in said
    assert "the seed" not in said  # there is none


def test_json_has_all_of_it(capture: Path) -> None:
    found = told(capture, "--mac", SECOND)
    assert found["server"] == SERVER_IP
    (machine,) = found["machines"]
    assert (machine["mac"], machine["architecture"], machine["uuid"]) == (SECOND, 0, UUID)
    (attempt,) = machine["attempts"]
    assert attempt["reached"] == "DHCPOFFER"
    assert attempt["diagnosis"]["id"] == "dhcp.foreign"
    assert [seen["kind"] for seen in attempt["seen"]] == [
        "boot.dhcpdiscover",
        "boot.foreign-dhcp",
        "boot.dhcpoffer",
        "boot.foreign-dhcp",
    ]


def test_the_operator_says_which_server_is_the_right_one(capture: Path) -> None:
    (machine,) = told(capture, "--mac", MACHINE, "--server", OTHER_IP)["machines"]
    assert machine["attempts"][0]["diagnosis"]["id"] == "dhcp.foreign"


def test_each_attempt_is_told(tmp_path: Path) -> None:
    """A loader that was fetched and did not start; then the data did not arrive."""
    (machine,) = told(write(tmp_path / "boot.pcap", [*LOADED, *STALLED]))["machines"]
    assert [attempt["diagnosis"]["id"] for attempt in machine["attempts"]] == [
        "loader.refused-by-secure-boot",
        "loader.tftp-blocks",
    ]
    assert machine["attempts"][0]["ended"] == machine["attempts"][1]["began"]


IPXE = {77: b"iPXE", 175: b"\1\1\1"}
OK = http("HTTP/1.1 200 OK\r\n\r\n", answer=True)


def fetched(path: str) -> list[bytes]:
    return [http(f"GET {path} HTTP/1.1\r\n\r\n"), OK]


def test_a_boot_that_works_is_up(tmp_path: Path) -> None:
    by_ipxe = [asks(DISCOVER, IPXE), *LEASED[1:], *fetched("/boot.ipxe"), *fetched("/boot/script?mac=1")]
    whole = [*LOADED, *by_ipxe, *fetched("/boot/1/kernel"), *fetched("/boot/1/initramfs")]
    (machine,) = told(write(tmp_path / "boot.pcap", whole))["machines"]
    (attempt,) = machine["attempts"]
    assert (attempt["reached"], attempt["diagnosis"]["verdict"]) == ("ramdisk", "up")


def test_a_proxy_beside_the_sites_server_is_no_foreigner(tmp_path: Path) -> None:
    proxy = answers(
        OFFER, {60: b"PXEClient"}, address="0.0.0.0", file="snponly.efi", server=(OTHER_IP, OTHER)
    )
    both = [asks(DISCOVER), answers(OFFER), proxy, asks(REQUEST, {54: bytes([192, 0, 2, 1])}), answers(ACK)]
    found = told(write(tmp_path / "boot.pcap", both))
    assert found["server"] == SERVER_IP
    assert found["machines"][0]["attempts"][0]["diagnosis"]["id"] == "loader.no-tftp"


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    gone = http("HTTP/1.1 404 Not Found\r\n\r\n", answer=True)
    whole = [
        *LOADED,
        asks(DISCOVER, IPXE),
        *LEASED[1:],
        http("GET /boot/script?mac=1 HTTP/1.1\r\n\r\n"),
        gone,
    ]
    (machine,) = told(write(tmp_path / "boot.pcap", whole))["machines"]
    found = machine["attempts"][0]["diagnosis"]
    assert (found["id"], found["hop"]) == ("script.refused", "boot script")
    assert "404 Not Found" in found["summary"]


def test_what_cannot_be_told_is_an_error(capture: Path, tmp_path: Path) -> None:
    laptop = write(tmp_path / "laptop.pcap", [*LAPTOP, *[http("", flags=2)] * 4])  # it cannot connect
    for words, expected in [
        (["--pcap", str(capture), "--mac", "52:54:00:00:00:09"], f"heard: {MACHINE}, {SECOND}, {THIRD}"),
        (["--pcap", str(capture), "--mac", "none"], "'none' is no MAC"),
        (["--pcap", str(laptop)], "none of its 5 frames is of a machine that boots"),
        (["--pcap", __file__], "neither pcap nor pcapng"),
        (["--pcap", str(tmp_path / "gone.pcap")], "gone.pcap: No such file"),
        (["--pcap", str(capture), "--server", "here"], "--server here: write the IPv4 address"),
        (["node-1", "--pcap", str(capture), "--mac", MACHINE], "give the node or --mac, not both"),
        (["--mac", MACHINE], "name its file with --pcap"),
        ([], "name a node, or a capture file"),
    ]:
        code, said, complained = why(*words)
        assert (code, said) == (1, "")
        assert expected in complained
