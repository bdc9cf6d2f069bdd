"""Which machine gets which script: known by its NIC or by SMBIOS, stopped in a loop, or a stranger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from seed_face import Face
from seed_machine import DISKS, Machine, report
from seed_world import World

from hwdrivers.bmc import BootMode
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.fake_parts import FakeSecureBoot
from seed.boot import LOADS
from seed.grub_files import GrubFiles
from seed.model import NextBoot
from seed.reservations import Reservations

UUID = "11223344-5566-7788-99aa-bbccddeeff00"
SWAPPED = "44332211-6655-8877-99aa-bbccddeeff00"
STRANGER = "52:54:00:00:00:99"


@pytest.fixture
def face(world: World) -> Face:
    world.at("available")
    update(world, next_boot=NextBoot.RAMDISK, system_uuid=UUID)
    return world.faces["node-1"]


def update(world: World, **facts: object) -> None:
    with world.store.write() as tx:
        tx.nodes.update(world.node().uuid, **facts)


@pytest.mark.parametrize("said", [{"uuid": UUID}, {"uuid": SWAPPED.upper()}, {"serial": "SERIAL-1"}])
def test_a_machine_with_a_new_nic_is_known_by_what_smbios_says(
    world: World, face: Face, said: dict[str, str]
) -> None:
    answer = face.get("/boot/script", params={"mac": STRANGER, **said})
    assert f"/boot/{world.node().uuid}/kernel" in answer.text
    assert f"BOOTIF={STRANGER}" in answer.text
    assert STRANGER in world.node().macs


@pytest.mark.parametrize(
    "said", [{"serial": "Default string"}, {"uuid": "0" * 32}, {"serial": "SERIAL-2"}, {}]
)
def test_what_firmware_leaves_unfilled_makes_nobody_known(
    world: World, face: Face, said: dict[str, str]
) -> None:
    update(world, serial="Default string")
    assert face.get("/boot/script", params={"mac": STRANGER, **said}).status_code == 404
    assert world.node().macs == ("52:54:00:00:00:01",)


def test_a_nic_of_no_node_does_not_join_a_host_that_runs(world: World, face: Face) -> None:
    update(world, next_boot=NextBoot.DISK)
    assert face.get("/boot/script", params={"mac": STRANGER, "uuid": UUID}).status_code == 200
    assert world.node().macs == ("52:54:00:00:00:01",)


def test_who_makes_up_names_fills_no_journal(world: World, face: Face) -> None:
    for number in range(300):
        asked = {"mac": f"52:54:00:01:{number >> 8:02x}:{number & 255:02x}", "serial": "\x1b[2J" + "S" * 99}
        assert face.get("/boot/script", params=asked).status_code == 404
    told = world.said("boot.script-refused")
    assert len(told) == 256
    assert told[0] == f"gets no boot script: no node has MAC 52:54:00:01:00:00, serial [2J{'S' * 61}"


def test_a_refusal_is_told_once_in_each_boot(world: World, face: Face) -> None:
    with world.store.write() as tx:
        tx.nodes.move(world.node(), "decommissioned", None)
    for _ in range(2):
        for _ in range(3):
            assert face.get("/boot/script", params={"mac": "52:54:00:00:00:01"}).status_code == 404
        with world.store.write() as tx:
            tx.events.add("power.on", "powered on again", node=world.node().uuid)
    assert world.said("boot.script-refused") == ["gets no boot script: node 'node-1' is decommissioned"] * 2


def test_what_several_nodes_share_tells_nothing(make_world: Callable[..., World]) -> None:
    world = make_world(Machine(1), Machine(2))
    for machine in world.machines:
        world.at("available", machine)
    with world.store.write() as tx:
        for node in tx.nodes.all():
            tx.nodes.update(node.uuid, serial="SAME")
    asked = {"mac": STRANGER, "serial": "SAME"}
    assert world.faces["node-1"].get("/boot/script", params=asked).status_code == 404


def test_another_blade_with_the_serial_number_of_the_chassis_is_not_the_node(
    world: World, face: Face
) -> None:
    asked = {"mac": STRANGER, "uuid": UUID.replace("1", "5"), "serial": "SERIAL-1"}
    assert face.get("/boot/script", params=asked).status_code == 404
    assert world.node().macs == ("52:54:00:00:00:01",)


def test_the_uuid_that_ipxe_tells_is_kept(world: World, face: Face) -> None:
    update(world, system_uuid=None)
    face.get("/boot/script", params={"mac": "52:54:00:00:00:01", "uuid": UUID.upper()})
    assert world.node().system_uuid == UUID


def test_a_kernel_that_dies_again_and_again_ends_on_a_script_that_stops(world: World, face: Face) -> None:
    uuid = world.node().uuid
    for _ in range(LOADS):
        assert "kernel --name" in face.get("/boot/script", params={"mac": "52:54:00:00:00:01"}).text
        world.fetch(f"/boot/{uuid}/initramfs")
    text = face.get("/boot/script", params={"mac": "52:54:00:00:00:01"}).text
    golden = Path(__file__).parent.parent / "data" / "seed" / "boot-halt.ipxe"
    assert text == golden.read_text()
    [told] = world.events("boot.loop")
    assert (told.node, told.data["times"]) == (uuid, LOADS)
    with world.store.write() as tx:
        tx.events.add("power.on", "powered on again", node=uuid)
    assert "kernel --name" in face.get("/boot/script", params={"mac": "52:54:00:00:00:01"}).text


def test_loaders_by_http_for_who_asks_the_size_first(world: World, face: Face) -> None:
    with world.store.write() as tx:
        tx.events.add("boot.dhcpack", "DHCPACK", node=world.node().uuid, address="10.0.0.101")
    head = face.request("HEAD", "/boot/loader/snponly.efi")
    whole = face.get("/boot/loader/snponly.efi")
    assert (head.status_code, whole.status_code) == (200, 200)
    assert head.content == b""
    assert int(head.headers["content-length"]) == len(whole.content) > 100_000
    [fetched] = world.events("boot.http-loader")
    assert (fetched.node, fetched.data["file"]) == (world.node().uuid, "snponly.efi")
    world.face_at("10.0.0.66").get("/boot/loader/snponly.efi")  # nobody's address
    assert len(world.events("boot.http-loader")) == 1
    assert face.get("/boot/loader/passwd").status_code == 404


# -- machines of no node -----------------------------------------------------------------------------------


@pytest.fixture
def open_world(world: World) -> World:
    world.inspects = True
    return world


def arrive(world: World, machine: Machine, uuid: str = UUID, **inventory: object) -> dict[str, str]:
    """As firmware and agent of a machine of no node do; what the seed answers the agent."""
    face = world.face_at("10.0.0.201")
    text = face.get("/boot/script", params={"mac": machine.mac, "uuid": uuid}).text
    assert "/boot/unknown/kernel" in text
    assert world.fetch("/boot/unknown/initramfs")[0] == 200
    where = next(word for word in text.split() if word.startswith("ipa-inspection-callback-url="))
    body = report(machine.serial, [machine.mac], DISKS, BootMode.UEFI)
    body["inventory"].update(inventory)
    answer = face.post(where.partition("=")[2], json=body)
    assert answer.status_code == 202, answer.text
    told: dict[str, str] = answer.json()
    return told


def test_a_machine_of_no_node_boots_the_ramdisk_which_enrols_it_once(open_world: World) -> None:
    world, machine = open_world, Machine(7)
    with world.store.write() as tx:
        tx.credentials.put("default", Credentials("admin", Secret("x")))
    first = arrive(world, machine, bmc_address="198.51.100.7")
    again = world.face_at("10.0.0.201").get("/boot/script", params={"mac": machine.mac})
    assert "boots from disk" in again.text
    with world.store.read() as tx:
        [node] = tx.nodes.all()
    assert first == {"uuid": node.uuid}
    assert (node.state, node.bmc, node.credentials) == ("enroll", "198.51.100.7", "default")
    assert (node.serial, node.system_uuid, node.boot_mode) == ("SERIAL-7", UUID, "uefi")
    assert node.macs == (machine.mac,)
    assert node.last_error is None
    assert node.inventory is not None
    assert len(node.inventory.disks) == len(DISKS)


def test_what_its_ramdisk_cannot_tell_is_asked_of_the_operator(open_world: World) -> None:
    with open_world.store.write() as tx:
        tx.credentials.put("another", Credentials("admin", Secret("x")))  # so that there is no only one
    arrive(open_world, Machine(7), bmc_address="0.0.0.0")
    with open_world.store.read() as tx:
        [node] = tx.nodes.all()
    assert node.bmc == "machine-525400000007.invalid"
    assert node.last_error == (
        "its ramdisk could not read the BMC's address: "
        "undercloud node set machine-525400000007 --bmc ADDRESS; "
        "no credentials are named 'default': undercloud credentials add, then "
        "undercloud node set machine-525400000007 --credentials NAME"
    )


@pytest.mark.parametrize("known", ["serial", "uuid", "bmc"])
def test_a_machine_that_is_known_by_anything_is_not_enrolled_anew(open_world: World, known: str) -> None:
    world = open_world
    world.at("available")
    update(world, system_uuid=UUID, serial="SERIAL-1", next_boot=NextBoot.RAMDISK)
    newcomer = Machine(9)
    newcomer.serial = "SERIAL-1" if known == "serial" else "OTHER"
    body = report(newcomer.serial, [STRANGER], DISKS, BootMode.BIOS)
    body["inventory"]["bmc_address"] = "192.0.2.1" if known == "bmc" else None
    url = "/v1/continue_inspection" + (f"?system_uuid={SWAPPED}" if known == "uuid" else "")
    world.face_at("10.0.0.201").post(url, json=body)
    with world.store.read() as tx:
        [node] = tx.nodes.all()
    assert STRANGER in node.macs


def test_nobody_joins_a_host_by_its_serial_number(world: World) -> None:
    world.at("available")
    update(world, serial="SERIAL-1", next_boot=NextBoot.DISK)
    forged = report("SERIAL-1", [STRANGER], DISKS, BootMode.BIOS)
    assert world.face_at("10.0.0.201").post("/v1/continue_inspection", json=forged).status_code == 409
    assert STRANGER not in world.node().macs


def test_without_discovery_a_stranger_is_not_enrolled(world: World) -> None:
    body = report("SERIAL-7", [STRANGER], DISKS, BootMode.BIOS)
    face = world.face_at("10.0.0.201")
    assert face.post("/v1/continue_inspection", json=body).status_code == 404
    assert world.fetch("/boot/unknown/kernel")[0] == 404
    with world.store.read() as tx:
        assert tx.nodes.all() == []


# -- Secure Boot -------------------------------------------------------------------------------------------


def test_a_machine_with_secure_boot_gets_signed_loaders_and_grubs_files(world: World, face: Face) -> None:
    root = world.folder / "tftp"
    root.mkdir()
    grub = GrubFiles(root, world.boot, world.images)
    hosts = world.folder / "dnsmasq.hosts"
    reservations = Reservations(world.store, hosts, lambda: None, grub=grub, base_url="http://seed")
    reservations.refresh()
    assert hosts.read_text() == "52:54:00:00:00:01,node-1\n"
    update(world, secure_boot=True)
    reservations.refresh()
    assert hosts.read_text() == "52:54:00:00:00:01,set:signed,set:mac525400000001,node-1\n"
    url = f"http://seed/boot/{world.node().uuid}/ramdisk.iso"
    assert hosts.with_suffix(".opts").read_text() == (
        f"tag:mac525400000001,tag:arch16,option:bootfile-name,{url}\n"
    )
    machines = root / "grub" / "machine"
    assert {path.name for path in machines.iterdir()} == {"52:54:00:00:00:01", UUID}
    assert "ipa-api-url=" in (machines / UUID).read_text()
    assert (root / "ramdisk" / "initramfs").read_bytes() == b"initramfs"

    update(world, ramdisk_network={"links": [], "networks": []})
    reservations.refresh()
    own = f"ramdisk/own/{world.node().uuid}"
    assert f'initrd "(tftp,$net_default_server)/{own}" ' in (machines / UUID).read_text()
    assert b"network_data.json" in (root / own).read_bytes()

    update(world, next_boot=NextBoot.DISK)
    reservations.refresh()
    assert "chainloader" in (machines / "52:54:00:00:00:01").read_text()
    update(world, secure_boot=False)
    reservations.refresh()
    assert list(machines.iterdir()) == []


def test_manage_learns_uuid_and_secure_boot_from_the_bmc(make_world: Callable[..., World]) -> None:
    machine = Machine()
    machine.bmc._identity = replace(machine.bmc._identity, uuid=UUID.upper())
    machine.bmc.secure_boot = FakeSecureBoot(machine.bmc)
    machine.bmc.secure_boot.is_on = True
    world = make_world(machine)
    world.at("enroll")
    node = world.do("manage")
    assert (node.system_uuid, node.secure_boot) == (UUID, True)


def test_an_operator_gives_what_the_ramdisk_could_not_tell(open_world: World) -> None:
    arrive(open_world, Machine(7), bmc_address=None)
    with open_world.store.read() as tx:
        [node] = tx.nodes.all()
    change = {"bmc": "ipmi://198.51.100.7", "secure_boot": True}
    answer = open_world.operator.request("PATCH", f"/nodes/{node.name}", json=change)
    assert (answer.json()["bmc"], answer.json()["secure_boot"]) == ("ipmi://198.51.100.7", True)
    assert open_world.operator.request("PATCH", f"/nodes/{node.name}", json={"bmc": "x y"}).status_code == 422


def test_a_bmc_that_was_proven_is_not_changed_by_hand(world: World) -> None:
    world.at("available")
    before = world.node().bmc
    answer = world.operator.request("PATCH", "/nodes/node-1", json={"bmc": "ipmi://198.51.100.7"})
    assert answer.status_code == 409
    assert world.node().bmc == before
