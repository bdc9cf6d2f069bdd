"""Telling lines of serial consoles: recorded ones of QEMU's firmware and Linux, and other makers' words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxe.console_signs import SHOWN, SIGNS, ConsoleSigns
from pxe.console_text import MOST, Lines
from pxe.milestones import Milestone

RECORDED = Path(__file__).parents[1] / "data" / "pxe" / "consoles"


def signs(*pieces: bytes) -> list[str]:
    reader = ConsoleSigns()
    return [sign.data["sign"] for piece in pieces for sign in reader.read(piece)]


def told(text: str) -> list[Milestone]:
    return [*ConsoleSigns().read(text.encode() + b"\r\n")]


@pytest.mark.parametrize(
    ("console", "seen"),
    [
        ("seabios-no-disk", ["ipxe-no-filename", "no-boot-device"]),
        ("ovmf-no-disk", ["no-boot-device"]),
        ("ovmf-secure-boot", ["secure-boot", "pxe-timeout", "no-boot-device"]),
        ("linux-truncated-initramfs", ["kernel-started", "initramfs-damaged", "no-root"]),
    ],
)
def test_recorded_consoles_whatever_the_pieces(console: str, seen: list[str]) -> None:
    data = (RECORDED / f"{console}.log").read_bytes()
    assert signs(data) == seen
    for size in (1, 7, 64):
        assert signs(*(data[start : start + size] for start in range(0, len(data), size))) == seen


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("[    0.1] Kernel panic - not syncing: IO-APIC + timer doesn't work! ", "kernel-panic"),
        ("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", "kernel-panic"),
        ("Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", "no-root"),
        ("Initramfs unpacking failed: invalid magic at start of compressed archive", "initramfs-damaged"),
        ("Kernel panic - not syncing: System is deadlocked on memory", "out-of-memory"),
        ("[   9.1] Out of memory: Killed process 312 (python3) total-vm:99kB", "out-of-memory"),
        ("BUG: unable to handle page fault for address: ffffc9000009f000", "kernel-oops"),
        ("[ 1.2] Oops: 0002 [#1] PREEMPT SMP NOPTI", "kernel-oops"),
        ("Verification failed: (0x1A) Security Violation", "secure-boot"),
        ("error: bad shim signature.", "secure-boot"),
        ("error: ../../grub-core/kern/efi/sb.c:182:bad shim signature.", "secure-boot"),
        ("error: no such device: 6f1a3c1e-0b3b-4e47-a7d4-f6ac3a9f9e5d.", "bootloader-failed"),
        ("error: file `/boot/grub/i386-pc/normal.mod' not found.", "bootloader-failed"),
        ("No bootable device.", "no-boot-device"),
        ("BdsDxe: No bootable option or device was found.", "no-boot-device"),
        ("Reboot and Select proper Boot device", "no-boot-device"),
        ("PXE-E61: Media test failure, check cable", "pxe-no-link"),
        ("PXE-E51: No DHCP or proxyDHCP offers were received.", "pxe-no-offer"),
        ("  PXE-E16: No valid offer received.", "pxe-no-offer"),
        ("PXE-E32: TFTP open timeout", "pxe-timeout"),
        ("Configuring (net0 52:54:00:12:34:56)... (http://ipxe.org/040ee119)", "ipxe-no-address"),
        ("http://192.0.2.1/boot.ipxe... Connection timed out (http://ipxe.org/4c0a6035)", "ipxe-timeout"),
        ("http://192.0.2.1/x... No such file or directory (https://ipxe.org/2d0c618e)", "ipxe-not-found"),
        ("http://192.0.2.1/x... Connection reset (https://ipxe.org/0f0a6039)", "ipxe-refused"),
        ("Could not start download: Operation not supported (https://ipxe.org/3c092003)", "ipxe-failed"),
        ("ALERT!  UUID=6f1a3c1e-0b3b-4e47-a7d4-f6ac3a9f9e5d does not exist. ", "no-root"),
        ("You are in emergency mode. After logging in, type \"journalctl -xb\"", "emergency-mode"),
        ("[  33.1] cloud-init[512]: 2026-01-01 00:00:00,1 - util.py[ERROR]: failed", "cloud-init-failed"),
        ("ironic_python_agent.agent [-] error: [Errno 111] Connection refused", "agent-refused"),
        ("urllib3 ... [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed", "tls"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid", "clock"),
        ("requests ... [Errno 113] No route to host", "no-route"),
        ("ramdisk: no driver for the network card 0x8086 0x100e at 0000:00:03.0", "no-nic-driver"),
        ("ramdisk: no driver for the storage controller 0x8086 0x2922 at 0000:00:1f.2", "no-disk-driver"),
        ("ramdisk: no route to 192.0.2.1 in 60 s", "no-route"),
    ],
)  # fmt: skip
def test_lines_of_many_makers(line: str, sign: str) -> None:
    assert [found.data["sign"] for found in told(line)] == [sign]


@pytest.mark.parametrize(
    "line",
    [
        "[    0.000000] Command line: initrd=initramfs panic=1 token=abc Kernel panic - not syncing",
        "Boot from SAN device 0x80 failed: Operation canceled (http://ipxe.org/0b8080a0)",
        "iPXE 1.21.1 -- Open Source Network Boot Firmware -- https://ipxe.org",
        "[  OK  ] Reached target network.target - Network.",
        "systemd-fsck: clean, 3/65 files",
        "Booting from Hard Disk...",
        "Welcome to GRUB!",
        "ramdisk: network up: 192.0.2.50 on the way to 192.0.2.1",
    ],
)
def test_what_tells_nothing(line: str) -> None:
    assert told(line) == []


def test_every_sign_is_a_word_and_its_line_is_short_and_without_secrets() -> None:
    assert all(sign.name.replace("-", "").isalpha() for sign in SIGNS)
    (found,) = told(f"[ 1.0] Kernel panic - not syncing: agent_token=s3cret http://u:pw@h/ {'x' * 500}")
    assert found.kind == "boot.console"
    assert found.data["line"].startswith("Kernel panic - not syncing: agent_token=*** http://u:***@h/ xxx")
    assert len(found.data["line"]) == SHOWN
    assert "s3cret" not in found.message + found.data["line"]


def test_a_prompt_has_no_end() -> None:
    assert signs(b"error: unknown filesystem.\r\nEntering rescue mode...\r\n", b"grub resc", b"ue> ") == [
        "bootloader-failed"
    ]
    assert signs(b"\r\nnode-1 log", b"in: ") == ["login"]
    assert signs(b"Kernel panic - not syncing") == []  # the line goes on, and it should be told whole


def test_once_in_a_boot_and_again_in_the_next() -> None:
    panic = b"[    3.0] Kernel panic - not syncing: Fatal exception\r\n"
    assert signs(panic, panic) == ["kernel-panic"]
    kernel = b"[    0.000000] Linux version 6.1.0-56-cloud-amd64\r\n"
    assert signs(kernel, panic, kernel, panic) == ["kernel-started", "kernel-panic"] * 2


def test_a_line_that_the_terminal_broke_is_whole_again() -> None:
    text = "http://192.0.2.1:8080/boot/6f1a3c1e-0b3b-4e47-a7d4-f6ac3a9f9e5d/kernel... Connection timed out (http://ipxe.org/4c0a6035)"  # fmt: skip  # noqa: E501
    broken = f"{text[:80]}\r\n{text[80:]}\r\n"
    assert [found.data["line"] for found in told(broken)] == [text]
    at_a_space = f"{'Configuring ' * 6}methods \r\nsucceeded (http://ipxe.org/040ee119)\r\n"
    assert told(at_a_space)[0].data["line"].endswith(" methods succeeded (http://ipxe.org/040ee119)")


def test_colours_and_cursor_movements_are_not_text() -> None:
    screen = b"\x1b[2J\x1b[01;01H\x1b[1m\x1b[33m\x1b[40mNo boot\x1b[0mable device\x1b[07;01HPress a key\r\n"
    assert [*Lines().add(screen)] == ["No bootable device", "Press a key"]


@given(st.lists(st.binary(max_size=2000), max_size=30))
def test_anything_is_borne_within_bounds(pieces: list[bytes]) -> None:
    lines = Lines()
    for piece in pieces:
        assert all(len(line) <= 2 * MOST + len(piece) for line in lines.add(piece))
        assert len(lines._rest) <= MOST


def test_a_screen_without_an_end_is_cut() -> None:
    reader = ConsoleSigns()
    for _ in range(200):
        assert [*reader.read(b"\x1b[01;01Hsetup" * 100)] == []
    assert [sign.data["sign"] for sign in reader.read(b"\r\nNo bootable device.\r\n")] == ["no-boot-device"]
