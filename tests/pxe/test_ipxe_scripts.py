"""iPXE scripts against their full text; each was also run by iPXE 1.0.0 (2019) on SeaBIOS and OVMF."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxe.ipxe import BootDisk, BootRamdisk, entry_script, machine_script

DATA = Path(__file__).parents[1] / "data" / "pxe"
RAMDISK = BootRamdisk(
    kernel_url="http://192.0.2.1:8080/boot/6a1f/kernel",
    initramfs_url="http://192.0.2.1:8080/boot/6a1f/initramfs",
    arguments=(
        "ipa-api-url=http://192.0.2.1:8080",
        "BOOTIF=52:54:00:00:00:01",
        "console=tty0",
        "console=ttyS0,115200",
    ),
)
ENTRY = entry_script("http://192.0.2.1:8080/boot/script")
FROM_RAMDISK = machine_script(RAMDISK, "undercloud: node-1 boots from ramdisk")
FROM_DISK = machine_script(BootDisk(), "undercloud: node-1 boots from disk")


@pytest.mark.parametrize(
    ("script", "golden"),
    [(ENTRY, "ipxe-entry"), (FROM_RAMDISK, "ipxe-ramdisk"), (FROM_DISK, "ipxe-disk")],
)
def test_a_script_is_what_was_agreed(script: str, golden: str) -> None:
    assert script == (DATA / f"{golden}.ipxe").read_text()


@pytest.mark.parametrize("script", [ENTRY, FROM_RAMDISK, FROM_DISK])
def test_every_jump_has_its_label_and_no_command_can_end_the_script_by_failing(script: str) -> None:
    """iPXE leaves a script at the first command that fails, unless `||` catches it."""
    lines = script.splitlines()
    assert lines[0] == "#!ipxe"
    labels = {line[1:] for line in lines if line.startswith(":")}
    jumps = {words[words.index("goto") + 1] for words in map(str.split, lines) if "goto" in words}
    assert jumps == labels
    for line in lines:
        if line.split()[0] in ("chain", "kernel", "initrd", "boot", "sanboot", "iseq"):
            assert "||" in line.split()
