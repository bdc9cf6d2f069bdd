"""`undercloud doctor` beside a real seed: with dnsmasq, with the embedded TFTP server, and hurt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import namespaces
import pytest
import yaml
from typed_site import BRIDGE, Site, site

from pxe.firmware import REQUIRED

pytestmark = pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not()))


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("doctor")) as machine:
        machine.does(*machine.init("--interface", BRIDGE))
        yield machine
        machine.types("seed", "stop")


def findings(machine: Site) -> tuple[int, dict[str, dict[str, Any]]]:
    done = machine.types("doctor", "-o", "json")
    assert done.stderr == ""
    return done.returncode, {found["check"]: found for found in json.loads(done.stdout)}


def embedded(machine: Site) -> None:
    """As on a laptop: the site's DHCP server names our loaders, and there is no dnsmasq."""
    machine.does("seed", "stop")
    content = yaml.safe_load(machine.config.read_text())
    content["provisioning"] |= {"dhcp": "none", "dhcp_range": None, "embedded_tftp": True}
    machine.config.write_text(yaml.safe_dump(content))
    machine.does("seed", "start")


def test_boot_files_come_whole_and_a_missing_ramdisk_is_told(standing: Site) -> None:
    code, found = findings(standing)
    for loader in REQUIRED:
        assert found[f"TFTP {loader.filename}"]["verdict"] == "good"
    assert (found["boot script"]["verdict"], found["files"]["verdict"]) == ("good", "good")
    assert code == 1
    ramdisk = found["ramdisk ramdisk-cloud"]
    assert ramdisk["verdict"] == "bad" and ramdisk["do"] == "undercloud image build-ramdisk"


def test_a_loader_that_was_changed_and_one_that_is_gone_are_found(standing: Site) -> None:
    folder = standing.state / "dnsmasq" / "tftp"
    (folder / "undionly.kpxe").write_bytes(b"something else")
    (folder / "snponly.efi").unlink()
    code, found = findings(standing)
    assert code == 1
    assert "14 bytes, others than" in found["TFTP undionly.kpxe"]["seen"]
    assert "File not found" in found["TFTP snponly.efi"]["seen"]


def test_without_dnsmasq_loaders_come_by_the_embedded_server(standing: Site) -> None:
    embedded(standing)
    assert not [argv for argv in standing.processes().values() if "dnsmasq --keep" in argv]
    _, found = findings(standing)
    for loader in REQUIRED:
        assert found[f"TFTP {loader.filename}"]["verdict"] == "good"


def test_where_no_seed_runs_that_is_what_is_said(standing: Site) -> None:
    standing.does("seed", "stop")
    code, found = findings(standing)
    assert code == 1
    assert found["seed"]["do"] == "undercloud seed start"
    assert "boot script" not in found
    told = standing.types("doctor").stdout
    assert "do: undercloud seed start" in told
