"""`undercloud image`: what it prints, what it refuses, and that nothing goes which somebody needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from disk_samples import backed, qcow2_disk
from live_seed import place
from typer.testing import CliRunner

from bootstrap.cli import app
from bootstrap.compose import compose
from bootstrap.config import read
from hwdrivers.address import BMCAddress
from hwdrivers.credentials import Credentials, Secret
from profiles.site import Site
from seed.declarations import new_node
from seed.model import Instance

Type = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return place(tmp_path)


@pytest.fixture
def type_(config: Path, tmp_path: Path) -> Type:
    """Types an `undercloud image` command; the images are in tmp_path/images."""

    def run(*words: object) -> Result:
        argv = ["--config", str(config), "image", *map(str, words), "--images", str(tmp_path / "images")]
        return CliRunner().invoke(app, argv)

    return run


@pytest.fixture
def disk(tmp_path: Path) -> tuple[Path, str]:
    path = qcow2_disk(tmp_path / "disk.qcow2")
    return path, f"sha512:{hashlib.sha512(path.read_bytes()).hexdigest()}"


def test_an_image_from_its_addition_to_its_end(type_: Type, disk: tuple[Path, str]) -> None:
    path, checksum = disk
    added = type_("add", "ours", path, "--checksum", checksum)
    assert added.exit_code == 0, added.output
    assert "ours: added, " in added.output
    shown = json.loads(type_("show", "ours", "-o", "json").output)
    assert shown["files"]["disk"]["sha512"] == checksum.removeprefix("sha512:")
    assert (shown["disk_format"], shown["virtual_size"], shown["boot_modes"]) == (
        "qcow2",
        8 << 20,
        ["uefi", "bios"],
    )
    assert [part["kind"] for part in shown["partitions"]] == ["BIOS boot", "ESP", "Linux"]
    assert shown["uses"] == {"nodes": [], "declared": [], "ramdisk": False}
    words = type_("show", "ours").output
    assert "boots on      uefi, bios" in words
    assert "signature     none" in words
    assert type_("verify", "--all").output == "ours: intact\n"
    assert "ours" in type_("list").output
    assert type_("delete", "ours", "--yes").exit_code == 0
    assert json.loads(type_("list", "-o", "json").output) == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "a checksum is needed"),
        (["--checksum", "md5:" + "a" * 32], "MD5 and SHA-1 can be forged"),
        (["--checksum", "sha256:" + "a" * 64], "is not what it should be"),
        (["--kernel-argument", "quiet"], "are for images with --initramfs"),
    ],
)
def test_what_add_refuses(
    type_: Type, disk: tuple[Path, str], tmp_path: Path, more: list[str], told: str
) -> None:
    refused = type_("add", "ours", disk[0], *more)
    assert refused.exit_code == 1
    assert told in refused.output
    assert not (tmp_path / "images" / "ours").exists()


def test_a_hostile_image_is_refused_in_words(type_: Type, tmp_path: Path) -> None:
    path = backed(tmp_path / "evil.qcow2")
    refused = type_("add", "evil", path, "--checksum", hashlib.sha256(path.read_bytes()).hexdigest())
    assert refused.exit_code == 1
    assert f"{path} is refused: it has a backing file" in refused.output


def test_damage_is_found_in_all_images(type_: Type, disk: tuple[Path, str], tmp_path: Path) -> None:
    for name in ("one", "two"):
        type_("add", name, disk[0], "--checksum", disk[1])
    with (tmp_path / "images/one/disk").open("ab") as file:
        file.write(b"!")
    verified = type_("verify", "--all")
    assert verified.exit_code == 1
    assert "images/one/disk is damaged" in verified.output
    assert "two: intact" in verified.output
    assert "not intact: one" in verified.output


def test_what_is_needed_is_not_deleted(type_: Type, disk: tuple[Path, str], config: Path) -> None:
    type_("add", "ours", disk[0], "--checksum", disk[1])
    seed = compose(read(config))
    seed.store.migrate()
    with seed.store.write() as tx:
        tx.documents.put_site(
            Site.model_validate({"hosts": [{"match": {"serial": "S1"}, "name": "one", "image": "ours"}]})
        )
        tx.credentials.put("rack", Credentials("admin", Secret("correct horse")))
        node = new_node(BMCAddress.parse("ipmi://10.9.0.1"), "rack", "node-1")
        tx.nodes.add(node)
        made_of = Instance("i-1", "ours", disk[1], "one", None, None, "", {})
        tx.nodes.update(node.uuid, instance=made_of)
    refused = type_("delete", "ours", "--yes")
    assert refused.exit_code == 1
    assert "it is declared for host one" in refused.output
    assert "on nodes      node-1 (enroll)" in type_("show", "ours").output
    with seed.store.write() as tx:
        tx.documents.put_site(Site())
    seed.close()
    assert "nobody can be asked here" in type_("delete", "ours").output
    assert type_("delete", "ours", "--yes").exit_code == 0  # the host that runs does not need it any more
    assert type_("delete", "ours", "--yes").exit_code == 1


def test_the_deploy_ramdisk_is_needed(type_: Type, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"MZ")
    checksum = hashlib.sha256(b"MZ").hexdigest()
    more = ("--initramfs", tmp_path / "file", "--initramfs-checksum", checksum)
    type_("add", "ramdisk-cloud", tmp_path / "file", "--checksum", checksum, *more)
    assert "it is the deploy ramdisk" in type_("delete", "ramdisk-cloud", "--yes").output
    assert type_("delete", "ramdisk-cloud", "--yes", "--force").exit_code == 0
