"""The scripts in real firmware: SeaBIOS with iPXE, and OVMF that fetches snponly.efi by TFTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from qemu_machine import BASE, MAC, boot_sector, boots_until, seed, why_not

from pxe.ipxe import BootDisk, BootRamdisk, machine_script

OVMF = Path("/usr/share/ovmf/OVMF.fd")
RAMDISK = machine_script(BootRamdisk(f"{BASE}/kernel", f"{BASE}/initramfs", ()), "boots from ramdisk")
DISK = machine_script(BootDisk(), "boots from disk")

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


@dataclass(frozen=True)
class Boot:
    """What a machine said on its serial port, and what it asked the seed for."""

    said: str
    asked: list[str]


def _bios(folder: Path) -> Boot:
    """No answer at first, then a ramdisk that cannot be loaded, then: from disk."""
    disk = folder / "disk.img"
    disk.write_bytes(boot_sector(b"DISK BOOTED\r\n") + bytes(1 << 20))
    drive = ["-drive", f"file={disk},format=raw,if=virtio", "-boot", "n"]
    nic = ["-device", f"virtio-net-pci,netdev=net,mac={MAC}"]
    with seed(folder, [None, RAMDISK, DISK]) as (cable, scripts, _):
        run = boots_until(cable, folder / "serial", "DISK BOOTED", *drive, *nic)
    return Boot(run.said, [unquote(path) for path in scripts.asked])


def _uefi(folder: Path) -> Boot:
    """No iPXE in the NIC: the firmware fetches snponly.efi by TFTP."""
    nic = ["-device", f"virtio-net-pci,netdev=net,mac={MAC},bootindex=1,romfile="]
    with seed(folder, [DISK]) as (cable, scripts, _):
        run = boots_until(cable, folder / "serial", "PXE over IPv6", "-bios", str(OVMF), *nic)
    return Boot(run.said, [unquote(path) for path in scripts.asked])


@pytest.fixture(scope="module")
def boots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Boot]]]:
    """Both machines at once: most of the time they wait."""
    with ThreadPoolExecutor(2) as pool:
        started = {"bios": pool.submit(_bios, tmp_path_factory.mktemp("bios"))}
        if OVMF.exists():
            started["uefi"] = pool.submit(_uefi, tmp_path_factory.mktemp("uefi"))
        yield started


def test_bios_asks_until_it_gets_an_answer_and_ends_on_the_disk(boots: dict[str, Future[Boot]]) -> None:
    asked = boots["bios"].result().asked
    script = f"/script?mac={MAC}"
    assert [path.partition("&uuid=")[0] for path in asked] == [
        "/boot.ipxe",
        script,
        script,
        "/kernel",
        script,
    ]
    assert asked[-1].endswith("&platform=pcbios")


def test_uefi_leaves_ipxe_with_an_error_so_that_firmware_tries_the_next_entry(
    boots: dict[str, Future[Boot]],
) -> None:
    """An OVMF that gets success back opens its menu and stops there."""
    if "uefi" not in boots:
        pytest.skip("the package ovmf is not installed")
    boot = boots["uefi"].result()
    assert "boots from disk" in boot.said
    assert re.search(r'BdsDxe: failed to start Boot\d+ "UEFI PXEv4', boot.said)
    assert boot.asked[0] == "/boot.ipxe"
    assert boot.asked[-1].endswith("&platform=efi")
