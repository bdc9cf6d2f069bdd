"""The config drive, read back with the tools of others: pycdlib, blkid, and the kernel where it can."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pycdlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxe.configdrive import build

FILES = {
    "meta_data.json": b'{"uuid": "6a1f"}\n',
    "network_data.json": b'{"links": []}\n',
    "user_data": b"#cloud-config\n" + b"# \xc3\xa4\n" * 700,  # more than one sector
}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "config.iso"
    path.write_bytes(build(FILES))
    return path


@pytest.mark.parametrize("names", ["rock_ridge", "joliet"])
def test_the_files_have_their_exact_names_and_contents(image: Path, names: str, tmp_path: Path) -> None:
    iso = pycdlib.PyCdlib()
    iso.open(str(image))
    key = {"rock_ridge": "rr_path", "joliet": "joliet_path"}[names]
    try:
        assert iso.pvd.volume_identifier.decode().strip() == "config-2"
        found = [f"{folder}/{name}" for folder, _, listed in iso.walk(**{key: "/"}) for name in listed]
        assert sorted(found) == [f"/openstack/latest/{name}" for name in sorted(FILES)]
        for name, content in FILES.items():
            copy = tmp_path / name
            iso.get_file_from_iso(str(copy), **{key: f"/openstack/latest/{name}"})
            assert copy.read_bytes() == content
    finally:
        iso.close()


def test_blkid_finds_the_label_that_cloud_init_looks_for(image: Path) -> None:
    if not shutil.which("blkid"):
        pytest.skip("blkid is not installed")
    done = subprocess.run(
        ["blkid", "-p", "-o", "export", str(image)], capture_output=True, text=True, check=True
    )
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert (told["TYPE"], told["LABEL"].lower()) == ("iso9660", "config-2")


def test_the_kernel_mounts_it(image: Path, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("mounting needs root")
    at = tmp_path / "mounted"
    at.mkdir()
    mount = ["mount", "-o", "loop,ro", str(image), str(at)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine mounts no images: {done.stderr.strip()}")
    try:
        folder = at / "openstack" / "latest"
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    finally:
        subprocess.run(["umount", str(at)], check=True)


@settings(deadline=None, max_examples=20)
@given(content=st.binary(max_size=5000))
def test_any_bytes_come_back(content: bytes) -> None:
    image = build({"user_data": content})
    assert content in image
    assert len(image) % 2048 == 0
