"""Ways of firmware to its second stage, taken for real: UEFI's HTTP boot, Secure Boot, and BIOS by TFTP."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from namespaces import ADDRESS
from qemu_machine import BASE, KNOWN, MAC, Run, boot_sector, boots_until, seed, why_not

from pxe import grub
from pxe.cpio import newc
from pxe.firmware import SHIM_X64, SNPONLY
from pxe.images import Ramdisk
from pxe.ipxe import BootDisk, BootRamdisk, machine_script
from pxe.media import boot_iso, own_part

OVMF = Path("/usr/share/OVMF")
KERNEL = Path(os.environ.get("UNDERCLOUD_IMAGES", "/var/cache/undercloud/images")) / "ramdisk-cloud/kernel"
ARGUMENTS = ("console=ttyS0,115200", "no_timer_check", "panic=-1")
DISK = machine_script(BootDisk(), "boots from disk")
SIGNED = "UEFI Secure Boot is enabled"  # the kernel's EFI stub
ONLY_HTTP = ("-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n")

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.skipif(not (OVMF / "OVMF_CODE_4M.fd").exists(), reason="ovmf is not installed"),
    pytest.mark.skipif(not SHIM_X64.there, reason="shim-signed or grub-efi-amd64-signed is not installed"),
    pytest.mark.skipif(not KERNEL.exists(), reason="there is no built ramdisk, hence no signed kernel"),
]


@dataclass(frozen=True)
class Boot:
    """What a machine did, what it asked by HTTP, and dnsmasq's log."""

    run: Run
    asked: list[str]
    log: list[str]


def _firmware(folder: Path, *more: str, secure: bool) -> list[str]:
    """OVMF whose NIC has no ROM of its own, with Microsoft's keys enrolled or with none."""
    kind = ".ms" if secure else ""
    shutil.copy(OVMF / f"OVMF_VARS_4M{kind}.fd", folder / "vars.fd")
    code = OVMF / ("OVMF_CODE_4M.secboot.fd" if secure else "OVMF_CODE_4M.fd")
    flash = "if=pflash,format=raw"
    options = ["-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"]
    options += ["-drive", f"{flash},unit=0,readonly=on,file={code}"]
    options += ["-drive", f"{flash},unit=1,file={folder / 'vars.fd'}"]
    options += ["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"]
    nic = f"virtio-net-pci,netdev=net,mac={MAC},bootindex=1,romfile="
    return [*options, "-device", nic, "-device", "virtio-rng-pci", *more]  # HTTP boot wants random numbers


def _small_initramfs(folder: Path) -> Path:
    """Nothing that could run: what is proven ends where the kernel begins."""
    path = folder / "initramfs"
    path.write_bytes(gzip.compress(newc({"init": b"#!/bin/false\n"})))
    return path


def _http(folder: Path) -> Boot:
    files = {f"/boot/loader/{SNPONLY.filename}": SNPONLY.path}
    with seed(folder, [DISK], files) as (cable, scripts, end):
        firmware = _firmware(folder, *ONLY_HTTP, secure=False)
        run = boots_until(cable, folder / "serial", "boots from disk", *firmware)
    return Boot(run, scripts.asked, end.log.lines)


def _shim(folder: Path) -> Boot:
    """shim, GRUB, its script, kernel and ramdisk, all by TFTP."""
    with seed(folder, [], host=replace(KNOWN, signed=True)) as (cable, scripts, end):
        root = folder / "tftp"
        spec = BootRamdisk("", "", ARGUMENTS)
        for name, text in (
            (grub.CONFIGURATION, grub.entry_script()),
            (f"{grub.MACHINES}/{MAC}", grub.machine_script(spec, "node-1 boots from ramdisk")),
        ):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / grub.KERNEL).parent.mkdir()
        (root / grub.KERNEL).symlink_to(KERNEL)
        (root / grub.INITRAMFS).symlink_to(_small_initramfs(folder))
        run = boots_until(cable, folder / "serial", SIGNED, *_firmware(folder, secure=True), memory=1024)
    return Boot(run, scripts.asked, end.log.lines)


def _refused_then_iso(folder: Path) -> Boot:
    """Nobody told the seed of Secure Boot: PXE gets what is unsigned; then HTTP boot gets the node's ISO."""
    ramdisk = Ramdisk("ramdisk", KERNEL, _small_initramfs(folder), "")
    boot_iso.build(ramdisk, folder / "boot.iso")
    iso = boot_iso.load(folder / "boot.iso")
    own = own_part.own_part("node-1 boots from its ISO", ARGUMENTS, None)
    (folder / "own.iso").write_bytes(b"".join(own_part.content(iso, own, 0, iso.size)))
    host = replace(KNOWN, iso_url=f"{BASE}/boot/6a1f/ramdisk.iso")
    with seed(folder, [], {"/boot/6a1f/ramdisk.iso": folder / "own.iso"}, host) as (cable, scripts, end):
        run = boots_until(cable, folder / "serial", SIGNED, *_firmware(folder, secure=True), memory=1024)
    return Boot(run, scripts.asked, end.log.lines)


def _bios(folder: Path) -> Boot:
    """QEMU's NIC has iPXE for its PXE ROM: for once it is taken for one that is none."""
    mark = "dhcp-match=set:ipxe,175\n"
    disk = folder / "disk.img"
    disk.write_bytes(boot_sector(b"DISK BOOTED\r\n") + bytes(1 << 20))
    machine = ["-device", f"virtio-net-pci,netdev=net,mac={MAC}", "-boot", "n"]
    machine += ["-drive", f"file={disk},format=raw,if=virtio"]
    with seed(folder, [DISK], first=lambda text: text.replace(mark, "")) as (cable, scripts, end):
        ours = end.configuration.read_text() + mark

        def once_sent() -> None:
            """From then on iPXE is known by its option, as always."""
            while not end.log.having("undionly.kpxe to ") and machine_runs.is_set():
                time.sleep(0.1)
            end.configuration.write_text(ours)
            os.kill(end.pid(), signal.SIGKILL)  # it is started again at once, with that configuration

        machine_runs = threading.Event()
        machine_runs.set()
        waiting = threading.Thread(target=once_sent)
        waiting.start()
        try:
            run = boots_until(cable, folder / "serial", "DISK BOOTED", *machine)
        finally:
            machine_runs.clear()
            waiting.join()
    return Boot(run, scripts.asked, end.log.lines)


WAYS = {"http": _http, "shim": _shim, "refused": _refused_then_iso, "bios": _bios}


@pytest.fixture(scope="module")
def boots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Boot]]]:
    """All at once: most of the time they wait."""
    with ThreadPoolExecutor(len(WAYS)) as pool:
        yield {name: pool.submit(way, tmp_path_factory.mktemp(name)) for name, way in WAYS.items()}


def test_http_boot_fetches_ipxe_which_asks_for_its_script(boots: dict[str, Future[Boot]]) -> None:
    boot = boots["http"].result()
    assert boot.asked[:2] == ["/boot/loader/snponly.efi", "/boot.ipxe"]
    assert boot.asked[2].startswith("/script?mac=")
    assert not [line for line in boot.log if "dnsmasq-tftp" in line and "sent" in line]


def test_bios_fetches_undionly_which_asks_for_its_script(boots: dict[str, Future[Boot]]) -> None:
    boot = boots["bios"].result()
    assert [line for line in boot.log if "sent " in line and "/undionly.kpxe to " in line]
    assert boot.asked[0] == "/boot.ipxe"
    assert boot.asked[1].endswith("&platform=pcbios")


def test_with_secure_boot_shim_and_grub_start_a_signed_kernel(boots: dict[str, Future[Boot]]) -> None:
    boot = boots["shim"].result()
    sent = [
        line.split("/tftp/")[1].split(" to ")[0] for line in boot.log if "sent " in line and "/tftp/" in line
    ]
    wanted = ["shimx64.efi", "grubx64.efi", "grub/grub.cfg", f"grub/machine/{MAC}", "ramdisk/kernel"]
    assert [name for name in dict.fromkeys(sent) if name in wanted] == wanted
    assert "node-1 boots from ramdisk" in boot.run.said
    assert boot.asked == []


def test_secure_boot_refuses_ipxe_and_takes_an_iso_by_http(boots: dict[str, Future[Boot]]) -> None:
    boot = boots["refused"].result()
    assert any("sent " in line and f"snponly.efi to {ADDRESS[:8]}" in line for line in boot.log)
    before, _, after = boot.run.said.partition("Access Denied")
    assert "failed to load Boot" in before
    assert "node-1 boots from its ISO" in after
    assert boot.asked == ["/boot/6a1f/ramdisk.iso"]
