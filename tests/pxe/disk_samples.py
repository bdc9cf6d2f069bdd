"""Small disk images as tools make them, and hostile ones made of those."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from pxe.build.disk import MIB

SIZE = 8 * MIB
# Offsets of the qcow2 header (docs/interop/qcow2.txt of QEMU).
_INCOMPATIBLE = 72


def tool(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=30)


@cache
def _content() -> bytes:
    """Of a disk with BIOS boot, ESP and root partitions. Once: sgdisk waits a second for the kernel."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "disk")
        with path.open("wb") as file:
            file.truncate(SIZE)
        parts = ("--new=1:2048:+1M", "--typecode=1:ef02", "--new=2:4096:+2M", "--typecode=2:ef00")
        tool("sgdisk", "--clear", *parts, "--new=3:8192:+3M", "--change-name=3:root", path)
        return path.read_bytes()


def raw_disk(path: Path, *, boot_code: bool = True) -> Path:
    """A GPT, a boot sector, and something in the root partition that does not compress."""
    path.write_bytes(_content())
    if boot_code:
        patched(path, 0, b"\xeb\x63\x90")
    return patched(path, 5 * MIB, bytes(range(256)) * 512)


def qcow2_disk(path: Path) -> Path:
    raw = raw_disk(path.with_suffix(".source"))
    tool("qemu-img", "convert", "-O", "qcow2", raw, path)
    return path


def patched(path: Path, offset: int, new: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(new)
    return path


def backed(path: Path) -> Path:
    """A qcow2 that reads from another file."""
    qcow2_disk(path)
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/hostname", path)
    return path


def with_data_file(path: Path) -> Path:
    data = path.with_suffix(".data")
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", path, SIZE)
    return path


def encrypted(path: Path) -> Path:
    secret = ("--object", "secret,id=s,data=secret")
    aes = "encrypt.format=aes,encrypt.key-secret=s"
    tool("qemu-img", "create", "-q", *secret, "-f", "qcow2", "-o", aes, path, SIZE)
    return path


def luks(path: Path) -> Path:
    """By its magic number and version, at the beginning of a disk's worth of bytes."""
    path.write_bytes(b"LUKS\xba\xbe\x00\x01" + bytes(SIZE - 8))
    return path


def vmdk(path: Path) -> Path:
    """A text that names the file with the data."""
    tool("qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", path, SIZE)
    return path


def with_unknown_feature(path: Path) -> Path:
    return patched(qcow2_disk(path), _INCOMPATIBLE, struct.pack(">Q", 1 << 40))


def corrupt(path: Path) -> Path:
    return patched(qcow2_disk(path), _INCOMPATIBLE, struct.pack(">Q", 2))


def bomb(path: Path) -> Path:
    """A few hundred kilobytes that become 1 PiB."""
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", path, "1P")
    return path


def qcow2_in_qcow2(path: Path) -> Path:
    """Whoever asks what format the disk has opens the inner one."""
    inner = qcow2_disk(path.with_suffix(".inner"))
    with inner.open("r+b") as file:
        file.truncate(SIZE)
    tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", inner, path)
    return path


def iso_and_disk(path: Path) -> Path:
    """A partition table, and ISO 9660's volume descriptor at 32 KiB."""
    return patched(raw_disk(path), 0x8000, b"\x01CD001\x01\x00")


def file_system(path: Path) -> Path:
    tool("mke2fs", "-q", "-F", "-t", "ext4", path, "8M")
    return path


def never_boots(path: Path) -> Path:
    """Without boot code, and without the type that makes its second partition an ESP."""
    return patched(raw_disk(path, boot_code=False), 1024 + 128, bytes(15) + b"\1")


def zeros(path: Path) -> Path:
    path.write_bytes(bytes(SIZE))
    return path


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def web_page(path: Path) -> Path:
    path.write_text("<html>404 Not Found</html>")
    return path


def gzipped(path: Path) -> Path:
    tool("gzip", "-q", raw_disk(path.with_suffix("")))
    path.with_suffix(".gz").rename(path)
    return path
