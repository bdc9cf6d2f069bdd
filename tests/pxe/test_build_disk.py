"""A disk image as firmware finds it: partitions, boot code, ESP and root, read back with the real tools."""

from __future__ import annotations

import shutil
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from pxe.build.disk import (
    MIB,
    SECTOR,
    fill_esp,
    fill_root,
    install_bios_grub,
    layout,
    partition,
    patch_boot_sector,
    patch_core,
)
from pxe.process import ProcessError, run

SIZE = 512 * MIB
UUID = "7f7a9291-d2b7-58ad-b036-c7b992dd0678"


def needs(tool: str) -> pytest.MarkDecorator:
    missing = shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin") is None
    return pytest.mark.skipif(missing, reason=f"{tool} is not installed")


def test_partitions_are_aligned_do_not_overlap_and_leave_room_for_the_second_gpt() -> None:
    plan = layout(SIZE)
    parts = [plan.bios, plan.esp, plan.root]
    assert all(part.start % MIB == 0 and part.size % MIB == 0 for part in parts)
    assert all(a.last_sector < b.first_sector for a, b in pairwise(parts))
    assert plan.root.last_sector <= SIZE // SECTOR - 34
    assert plan.root is parts[-1]


def test_a_disk_without_room_for_a_root_file_system_is_refused() -> None:
    with pytest.raises(ProcessError, match="no room"):
        layout(128 * MIB)


@needs("sgdisk")
def test_the_partition_table_is_what_was_planned(tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    partition(image, layout(SIZE))
    table = run(["sgdisk", "--print", image])
    rows = [line.split() for line in table.splitlines() if line.strip()[:1].isdigit()]
    assert [(row[0], row[5], row[6]) for row in rows] == [
        ("1", "EF02", "bios"),
        ("2", "EF00", "esp"),
        ("3", "8300", "root"),
    ]
    assert "No problems found" in run(["sgdisk", "--verify", image])


def test_the_boot_sector_points_at_the_core_image_and_ends_before_the_partition_table() -> None:
    boot = bytes(range(256)) * 2
    patched = patch_boot_sector(boot, 2048)
    assert len(patched) == 446
    assert struct.unpack_from("<Q", patched, 0x5C) == (2048,)
    assert patched[0x66:0x68] == b"\x90\x90"
    untouched = [i for i in range(446) if not 0x5C <= i < 0x68]
    assert all(patched[i] == boot[i] for i in untouched)


def test_the_core_image_lists_all_its_other_sectors() -> None:
    core = bytes(SECTOR * 60 + 7)
    patched = patch_core(core, 2048)
    start, length = struct.unpack_from("<QH", patched, 0x1F4)
    assert (start, length) == (2049, 60)
    assert len(patched) == len(core)


@needs("sgdisk")
def test_boot_code_leaves_the_partition_table_alone(tmp_path: Path) -> None:
    image, plan = tmp_path / "disk.raw", layout(SIZE)
    partition(image, plan)
    before = image.read_bytes()[446 : 34 * SECTOR]
    install_bios_grub(image, plan.bios, bytes(512), b"\xee" * 5000)
    assert image.read_bytes()[446 : 34 * SECTOR] == before
    assert image.read_bytes()[plan.bios.start + SECTOR :][:4488] == b"\xee" * 4488


def test_a_core_image_that_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    image, plan = tmp_path / "disk.raw", layout(SIZE)
    image.write_bytes(b"as it was")
    with pytest.raises(ProcessError, match="does not fit"):
        install_bios_grub(image, plan.bios, bytes(512), bytes(2 * MIB))
    assert image.read_bytes() == b"as it was"


@needs("mformat")
@needs("sgdisk")
def test_files_are_in_the_esp_under_their_paths(tmp_path: Path) -> None:
    image, plan = tmp_path / "disk.raw", layout(SIZE)
    partition(image, plan)
    shim = tmp_path / "shim"
    shim.write_bytes(b"MZ shim")
    fill_esp(image, plan.esp, "2A379FCD", {"EFI/debian/shimx64.efi": shim, "EFI/BOOT/BOOTX64.EFI": shim})
    drive = f"{image}@@{plan.esp.start}"
    assert run(["mtype", "-i", drive, "::/EFI/BOOT/BOOTX64.EFI"]) == "MZ shim"
    assert run(["mtype", "-i", drive, "::/EFI/debian/shimx64.efi"]) == "MZ shim"
    listing = run(["mdir", "-i", drive, "::"])
    assert "2A37-9FCD" in listing


@needs("mke2fs")
@needs("sgdisk")
def test_the_root_file_system_holds_the_tree_at_its_partition(tmp_path: Path) -> None:
    image, plan = tmp_path / "disk.raw", layout(SIZE)
    partition(image, plan)
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/hostname").write_text("debian\n")
    fill_root(image, plan.root, tree, UUID)
    volume = f"{image}?offset={plan.root.start}"
    assert run(["debugfs", "-R", "cat /etc/hostname", volume]) == "debian\n"
    assert UUID in run(["dumpe2fs", "-h", volume])
    assert "No problems found" in run(["sgdisk", "--verify", image])
