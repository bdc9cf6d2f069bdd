"""What a boot ISO costs a seed: made once for a ramdisk, offered to 1,000 nodes, read whole and in pieces.

With `--boot` QEMU boots it too: its CPU seconds from power-on until Linux speaks. Needs the ramdisk that
`vm-lab/setup` builds.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from pxe.images import load_ramdisk
from pxe.media import boot_iso
from pxe.media.own_part import content, own_part

IMAGES = Path(os.environ.get("UNDERCLOUD_IMAGES") or "/var/cache/undercloud/images")
NODES, PIECES, PIECE = 1000, 10_000, 64 << 10
OVMF = "/usr/share/OVMF/OVMF"
FIRMWARE = {
    "BIOS": ["-machine", "pc"],
    "Secure Boot": [
        *("-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}_CODE_4M.secboot.fd"),
    ],
}
NETWORK = {
    "links": [{"id": "nic", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}],
    "networks": [{"id": "n", "link": "nic", "type": "ipv4", "ip_address": "192.0.2.77/24"}],
}


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def told(what: str, act: Callable[[], object], times: int = 1) -> None:
    began, before = time.monotonic(), cpu()
    act()
    wall, spent = time.monotonic() - began, cpu() - before
    print(f"| {what} | {wall / times * 1000:.3g} ms | {spent / times * 1000:.3g} ms |")


def boots(iso: Path, firmware: str) -> float:
    """CPU seconds of QEMU, translated code, from power-on until Linux speaks."""
    console, variables = iso.with_name("console"), iso.with_name("variables.fd")
    console.write_bytes(b"")
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-m", "3072", "-nic", "none", "-display", "none"]
    argv += [*FIRMWARE[firmware], "-cdrom", str(iso), "-boot", "d", "-serial", f"file:{console}"]
    if firmware != "BIOS":
        shutil.copy(f"{OVMF}_VARS_4M.ms.fd", variables)
        argv += ["-drive", f"if=pflash,format=raw,file={variables}"]
    machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    while "Linux version" not in console.read_text(errors="replace"):
        if machine.poll() is not None:
            sys.exit(f"QEMU ended: {console.read_text(errors='replace')[-1000:]}")
        time.sleep(0.1)
    machine.kill()
    _, _, used = os.wait4(machine.pid, 0)
    return used.ru_utime + used.ru_stime


def main() -> int:
    ramdisk = load_ramdisk(IMAGES, "ramdisk-cloud")
    with TemporaryDirectory(prefix="boot-media-") as folder:
        path = Path(folder) / "boot.iso"
        print("| | wall | CPU |\n| --- | --- | --- |")
        told("make the ISO, once for a ramdisk", lambda: boot_iso.build(ramdisk, path))
        iso, own = boot_iso.load(path), own_part("node-1", ("console=ttyS0",), NETWORK)
        parts = lambda: [own_part(f"node-{n}", ("console=ttyS0",), NETWORK) for n in range(NODES)]  # noqa: E731
        told("a machine's own part of it", parts, NODES)
        told("read all of it", lambda: sum(map(len, content(iso, own, 0, iso.size))))
        step = iso.size // PIECES
        pieces = lambda: [list(content(iso, own, n * step, n * step + PIECE)) for n in range(PIECES)]  # noqa: E731
        told(f"read a piece of {PIECE >> 10} KiB", pieces, PIECES)
        if "--boot" in sys.argv:
            (whole := Path(folder) / "whole.iso").write_bytes(b"".join(content(iso, own, 0, iso.size)))
            for firmware in FIRMWARE:
                print(f"| {firmware}: power-on until Linux speaks | | {boots(whole, firmware):.1f} s |")
            whole.unlink()
        written = sum(file.stat().st_size for file in Path(folder).glob("*.iso"))
    print(f"\n{iso.size / 1e6:.1f} MB; on disk for {NODES} nodes: {written / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
