"""GRUB's scripts against their full text; Debian's signed GRUB 2.06 runs them in test_firmware_boots.py."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pxe.grub import entry_script, keys, machine_script, quoted
from pxe.ipxe import BootDisk, BootRamdisk, Halt

DATA = Path(__file__).parents[1] / "data" / "pxe"
RAMDISK = BootRamdisk(
    kernel_url="http://192.0.2.1:8080/boot/6a1f/kernel",
    initramfs_url="http://192.0.2.1:8080/boot/6a1f/initramfs",
    arguments=(
        "ipa-api-url=http://192.0.2.1:8080",
        "BOOTIF=52:54:00:00:00:01",
        "console=ttyS0,115200",
        "greeting=it's me; halt",
    ),
)
SCRIPTS = {
    "entry": entry_script(),
    "ramdisk": machine_script(RAMDISK, "undercloud: node-1 boots from ramdisk"),
    "disk": machine_script(BootDisk(), "undercloud: node-1 boots from disk"),
    "halt": machine_script(Halt("It's no use"), "undercloud: node-1 stops here"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_what_was_agreed_and_what_grub_can_read(name: str) -> None:
    golden = DATA / f"grub-{name}.cfg"
    assert SCRIPTS[name] == golden.read_text()
    if not shutil.which("grub-script-check"):
        pytest.skip("grub-common is not installed")
    done = subprocess.run(["grub-script-check", golden], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_serial_that_is_no_file_name_is_no_key() -> None:
    assert keys(("52:54:00:00:00:01",), "6a1f", "../../x") == ["52:54:00:00:00:01", "6a1f"]
    assert keys((), None, "ABC-1") == ["ABC-1"]


def test_what_a_script_says_cannot_end_its_word() -> None:
    assert quoted("console=ttyS0,115200") == "console=ttyS0,115200"
    assert quoted("a;b") == "'a;b'"
    assert quoted("it's") == r"'it'\''s'"
