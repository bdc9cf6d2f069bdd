"""What an image is, is seen in its bytes; one that would do harm, or could never boot, is not taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from disk_samples import (
    SIZE,
    backed,
    bomb,
    corrupt,
    empty,
    encrypted,
    file_system,
    gzipped,
    iso_and_disk,
    luks,
    never_boots,
    qcow2_disk,
    qcow2_in_qcow2,
    raw_disk,
    vmdk,
    web_page,
    with_data_file,
    with_unknown_feature,
    zeros,
)

from pxe.adding import inspection
from pxe.adding.inspection import inspect
from pxe.adding.refused import Refused
from pxe.build.disk import MIB

OTHER_FILES = "the machine that opens it would read another of its files"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (backed, f"backing file: {OTHER_FILES}"),
        (with_data_file, f"external data file: {OTHER_FILES}"),
        (with_unknown_feature, "features of qcow2 that are not known"),
        (encrypted, "it is encrypted"),
        (corrupt, "marked as corrupt"),
        (bomb, "it becomes 1048576 GiB on a disk"),
        (qcow2_in_qcow2, "it is a qcow2 image"),
        (luks, "it is a luks image"),
        (vmdk, "it is a vmdk image"),
        (iso_and_disk, "several formats at once"),
        (file_system, "no partition table"),
        (zeros, "no partition table"),
        (web_page, "no partition table"),
        (empty, "no partition table"),
        (never_boots, "no firmware could boot it"),
        (gzipped, "packed by gzip"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_refused_and_why(tmp_path: Path, make: Callable[[Path], Path], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        inspect(make(tmp_path / "disk"))


def packed(path: Path, content: bytes, **more: object) -> Path:
    path.write_bytes(zstandard.ZstdCompressor(**more).compress(content))
    return path


def test_the_same_disk_in_three_forms(tmp_path: Path) -> None:
    raw = raw_disk(tmp_path / "raw")
    told = {
        "raw": inspect(raw),
        "qcow2": inspect(qcow2_disk(tmp_path / "qcow2")),
        "zstd": inspect(packed(tmp_path / "zst", raw.read_bytes(), write_content_size=False)),
    }
    assert [told["raw"].compression, told["qcow2"].disk_format, told["zstd"].compression] == [
        None,
        "qcow2",
        "zstd",
    ]
    for found in told.values():
        assert found.virtual_size == SIZE
        assert found.table.boot_modes == ("uefi", "bios")
        kinds = [(part.kind, part.name, part.size // MIB) for part in found.table.partitions]
        assert kinds == [("BIOS boot", "", 1), ("ESP", "", 2), ("Linux", "root", 3)]
        assert found.table.root == found.table.partitions[2]


def test_a_packed_disk_must_be_whole_and_a_plain_disk(tmp_path: Path) -> None:
    whole = packed(tmp_path / "zst", raw_disk(tmp_path / "raw").read_bytes()).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused, match="it ends in the middle"):
        inspect(tmp_path / "cut")
    with pytest.raises(Refused, match="it is a qcow2 image"):
        inspect(packed(tmp_path / "inner", qcow2_disk(tmp_path / "qcow2").read_bytes()))


def test_a_packed_bomb_is_not_unpacked_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed(tmp_path / "bomb", raw_disk(tmp_path / "raw").read_bytes() + bytes(64 * MIB))
    monkeypatch.setattr(inspection, "LARGEST", 16 * MIB)
    with pytest.raises(Refused, match="on a disk, or more"):
        inspect(bomb)


def test_an_mbr_without_a_gpt_is_a_disk_for_bios(tmp_path: Path) -> None:
    disk = bytearray(SIZE)
    disk[:3], disk[510:512] = b"\xeb\x63\x90", b"\x55\xaa"
    disk[446:462] = (
        bytes((0x80, 0, 2, 0, 0x83, 0, 0, 0)) + (2048).to_bytes(4, "little") + (8192).to_bytes(4, "little")
    )
    (tmp_path / "disk").write_bytes(disk)
    found = inspect(tmp_path / "disk")
    assert (found.disk_format, found.table.label, found.table.boot_modes) == ("raw", "mbr", ("bios",))
    assert [(part.kind, part.start // MIB, part.size // MIB) for part in found.table.partitions] == [
        ("Linux", 1, 4)
    ]
