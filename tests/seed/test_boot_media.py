"""Machines that boot from virtual media, in memory: what their BMCs hold, read and are left with."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pycdlib
import pytest
from seed_machine import Machine
from seed_world import Fuse, Killed, World

from hwdrivers.bmc import BootDevice, PowerState
from hwdrivers.fake import Fault
from hwdrivers.interfaces import MediaSlot
from pxe.media.own_part import NETWORK_DATA
from seed.bmcs import BMCs
from seed.boot_attempts import split
from seed.ejecting import Ejecting
from seed.model import BootInterface, NextBoot, Node, RunState

Make = Callable[..., World]
NETWORK = {
    "links": [{"id": "nic", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}],
    "networks": [{"id": "n", "link": "nic", "type": "ipv4", "ip_address": "10.0.0.101/24"}],
}


@pytest.fixture(scope="session")
def isos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One ISO for all worlds: their ramdisks are the same."""
    return tmp_path_factory.mktemp("isos")


@pytest.fixture
def ready(make_world: Make, isos: Path) -> Make:
    """Makes worlds with a machine that boots from virtual media."""

    def make(folder: str = "world", protocol: str = "redfish") -> World:
        world = make_world(Machine(protocol=protocol), folder=folder)
        world.media_dir = isos
        world.start(Fuse())
        world.at("manageable", boot_interface=BootInterface.VIRTUAL_MEDIA, ramdisk_network=NETWORK)
        return world

    return make


def images(machine: Machine) -> list[str]:
    assert machine.bmc.media is not None
    return [slot.image for slot in machine.bmc.media.drives if slot.image]


def inspect(world: World) -> Node:
    world.request("inspect")
    world.settle()
    return world.node()


def on_cd(cd: bytes, path: str) -> bytes:
    iso, content = pycdlib.PyCdlib(), io.BytesIO()
    iso.open_fp(io.BytesIO(cd))
    iso.get_file_from_iso_fp(content, rr_path=path)
    iso.close()
    return content.getvalue()


def own_initramfs(cd: bytes) -> bytes:
    return on_cd(cd, "/boot/own.cpio")


def network_told(archive: bytes, folder: Path) -> Any:
    """What the ramdisk finds, once Linux has unpacked the archive."""
    subprocess.run(["cpio", "-id", "--quiet"], input=archive, cwd=folder, check=True)
    return json.loads((folder / NETWORK_DATA).read_text())


def ejecting(world: World) -> Ejecting:
    return Ejecting(BMCs(world.store, world._plain), world.media(world.store), world.clock)


def inserted(world: World) -> str:
    """Ask for an inspection, and return the URL that the BMC is given; the machine hangs then."""
    world.machines[0].hangs = True
    world.request("inspect")
    world.settle(until=lambda: bool(images(world.machines[0])))
    [url] = images(world.machines[0])
    return url


def test_a_machine_boots_from_its_iso_which_is_ejected_then(ready: Make) -> None:
    world = ready()
    machine = world.machines[0]
    assert inspect(world).state == "manageable"
    assert [run.state for run in world.runs()] == [RunState.DONE]
    assert machine.boots == ["cd"]
    assert machine.bmc.boots_from is BootDevice.CDROM
    assert images(machine) == []
    assert world.said("boot.media") == [
        "its BMC is told to insert its boot ISO",
        "its boot ISO is fetched by 10.0.0.101",
    ]
    url = next(deed.split()[-1] for deed in machine.deeds if "http" in deed)
    assert world.faces[machine.name].get(urlsplit(url).path).status_code == 404
    assert url.rpartition("/")[2] not in str(world.events())  # its name is not to be guessed, nor to be read


def test_what_a_bmc_does_before_power_is_on_belongs_to_that_boot(ready: Make) -> None:
    world = ready()
    inspect(world)
    inspect(world)
    boots = [[event.kind for event in boot.events] for boot in split(world.events())]
    assert len(boots) == 2
    assert all(kinds[:2] == ["boot.media", "power.on"] and "boot.media-fetched" in kinds for kinds in boots)


def test_the_iso_tells_the_machine_its_network_and_its_seed(ready: Make, tmp_path: Path) -> None:
    world = ready()
    inspect(world)
    cd = world.machines[0].cds[0]
    assert network_told(own_initramfs(cd), tmp_path) == NETWORK
    configuration = on_cd(cd, "/boot/grub/grub.cfg")
    assert b"ipa-api-url=http://10.0.0.1:8080" in configuration
    assert b"BOOTIF=52:54:00:00:00:01" in configuration


def test_a_bmc_reads_the_iso_in_ranges(ready: Make) -> None:
    world = ready()
    path, face = urlsplit(inserted(world)).path, world.faces["node-1"]
    whole = face.get(path)
    assert (whole.status_code, len(whole.content)) == (200, int(whole.headers["content-length"]))
    part = face.get(path, headers={"Range": "bytes=32768-32799"})
    assert (part.status_code, part.content) == (206, whole.content[32768:32800])
    assert part.headers["content-range"] == f"bytes 32768-32799/{len(whole.content)}"
    assert face.get(path, headers={"Range": "bytes=-100"}).content == whole.content[-100:]
    head = face.request("HEAD", path)
    assert (head.content, head.headers["content-length"]) == (b"", whole.headers["content-length"])
    assert head.headers["accept-ranges"] == "bytes"
    beyond = face.get(path, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert len([text for text in world.said("boot.media") if "fetched" in text]) == 1


def test_who_guesses_gets_nothing(ready: Make) -> None:
    world = ready()
    path, face = urlsplit(inserted(world)).path, world.faces["node-1"]
    assert face.get(f"{path.rpartition('/')[0]}/{'A' * 22}.iso").status_code == 404
    assert face.get(f"/media/nobody/{path.rpartition('/')[2]}").status_code == 404


def test_a_run_that_fails_leaves_an_empty_drive(ready: Make) -> None:
    world = ready()
    path = urlsplit(inserted(world)).path
    ejecting(world).look()
    assert images(world.machines[0])  # as long as the run is under way
    world.settle()
    assert world.runs()[-1].state is RunState.FAILED
    ejecting(world).look()
    assert images(world.machines[0]) == []
    assert world.faces["node-1"].get(path).status_code == 404


def test_what_cannot_be_ejected_now_is_later(ready: Make) -> None:
    world = ready()
    inserted(world)
    world.settle()
    bmc, sweeper = world.machines[0].bmc, ejecting(world)
    bmc.faults.add(Fault.TIME_OUT)
    sweeper.look()
    bmc.faults.clear()
    assert images(world.machines[0])
    sweeper.look()  # too early
    assert images(world.machines[0])
    world.pass_time(minutes=1)
    sweeper.look()
    assert images(world.machines[0]) == []


def test_an_operators_image_stays(ready: Make) -> None:
    world = ready()
    inserted(world)
    world.settle()
    media = world.machines[0].bmc.media
    assert media is not None
    media.drives = [MediaSlot("Cd", ("CD", "DVD"), "http://10.0.0.9/firmware.iso")]
    ejecting(world).look()
    assert images(world.machines[0]) == ["http://10.0.0.9/firmware.iso"]


@pytest.mark.parametrize("protocol", ["ipmi", "redfish"])
def test_a_bmc_without_a_virtual_cd_is_refused_at_once(ready: Make, protocol: str) -> None:
    world = ready(protocol=protocol)
    bmc = world.machines[0].bmc
    bmc.power = PowerState.ON
    if bmc.media is not None:
        bmc.media.drives = [MediaSlot("Usb", ("USBStick",))]
    node = inspect(world)
    assert node.state == "inspect failed"
    assert "undercloud node set node-1 --boot-interface pxe" in (node.last_error or "")
    assert world.machines[0].deeds == []


def test_a_bmc_that_cannot_fetch_is_told_of_the_way_to_the_seed(ready: Make) -> None:
    world = ready()
    media = world.machines[0].bmc.media
    assert media is not None

    def refuse(image: str, kind: str = "CD") -> MediaSlot:
        raise media._refuse(f"insert {image}", "GeneralError: unable to mount the image", "look at its log")

    media.attach = refuse  # type: ignore[method-assign]
    error = inspect(world).last_error or ""
    assert "unable to mount" in error
    assert "the BMC fetches the ISO itself: it must reach http://10.0.0.1:8080" in error
    assert "/media/" not in error


def test_without_dhcp_only_virtual_media_boots(make_world: Make) -> None:
    world = make_world(Machine(protocol="redfish"))
    world.at("manageable")
    world.dhcp = False
    world.start(Fuse())
    node = inspect(world)
    assert node.state == "inspect failed"
    assert "undercloud node set node-1 --boot-interface virtual-media --ramdisk-network FILE" in (
        node.last_error or ""
    )
    assert world.machines[0].deeds == []


def test_a_declared_address_is_told_where_nobody_answers_dhcp(make_world: Make, tmp_path: Path) -> None:
    world = make_world(Machine(protocol="redfish"))
    world.at("manageable", boot_interface=BootInterface.VIRTUAL_MEDIA)
    world.declare({"match": {"name": "node-1"}, "address": "10.0.0.101"})
    world.dhcp = False
    world.start(Fuse())
    assert inspect(world).state == "manageable"
    told = network_told(own_initramfs(world.machines[0].cds[0]), tmp_path)
    assert [network["ip_address"] for network in told["networks"]] == ["10.0.0.101/24"]


def test_a_network_that_was_set_is_told_by_pxe_too(make_world: Make, tmp_path: Path) -> None:
    world = make_world()
    world.at("manageable", ramdisk_network=NETWORK)
    with world.store.write() as tx:
        tx.nodes.update(world.node().uuid, next_boot=NextBoot.RAMDISK)
    script = world.machines[0].script(world.faces["node-1"])
    own = f"/boot/{world.node().uuid}/own"
    assert f"initrd --name own http://10.0.0.1:8080{own} || goto failed\ninitrd --name initramfs" in script
    assert " initrd=own initrd=initramfs " in script
    assert " ipa-inspection-dhcp-wait-timeout=0" in script
    assert network_told(world.faces["node-1"].get(own).content, tmp_path) == NETWORK


def test_a_seed_that_is_killed_anywhere_leaves_an_empty_drive(ready: Make) -> None:
    for at in count():
        world = ready(folder=f"at-{at}")
        fuse = Fuse(at)
        world.start(fuse)
        try:
            world.request("inspect")
            world.settle()
        except Killed:
            world.start(Fuse())
            world.conductor.resume()
            if not world.runs():
                world.request("inspect")
            world.settle()
        ejecting(world).look()
        assert images(world.machines[0]) == [], at
        assert [run.state for run in world.runs()] == [RunState.DONE], at
        assert world.media(world.store).left() == [], at
        world.close()
        if not fuse.blown:
            assert at >= 18
            return
