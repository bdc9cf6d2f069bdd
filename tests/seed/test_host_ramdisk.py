"""Hosts that run from memory: nothing is written, and the machine gets the same at each boot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seed_world import Fuse, World, build_images
from store_places import KINDS
from test_crashes import each_place

from hwdrivers.bmc import BootDevice, PowerState
from pxe.ipxe import Halt
from seed.model import BootInterface, NextBoot

GOLDEN = Path(__file__).parents[1] / "data" / "seed" / "boot-host.ipxe"

over_both_stores = pytest.mark.parametrize("kind", KINDS)


def declare(world: World, **more: Any) -> None:
    world.declare({"match": {"name": "node-1"}, "image": "live", "deploy": "ramdisk", **more})


@pytest.fixture
def ready(world: World) -> World:
    world.at("available")
    declare(world)
    return world


@pytest.fixture
def active(ready: World) -> World:
    ready.do("deploy")
    return ready


def reboot(world: World) -> None:
    """Somebody presses the reset button."""
    machine = world.machines[0]
    machine.cut_power()
    machine.bmc.power = PowerState.ON
    machine.live(world.faces[machine.name])


def refused(world: World, address: str) -> str:
    """Why who asks from `address` does not get what is the host's own, as the journal has it."""
    assert world.face_at(address).get(f"/boot/{world.node().uuid}/own").status_code == 404
    asked, _, why = world.said("boot.data-refused")[-1].partition(" and was refused: ")
    assert asked == f"{address} asked for what is its host's own"
    return why


@over_both_stores
def test_a_deploy_boots_the_host_over_the_network_and_writes_nothing(active: World) -> None:
    node, machine = active.node(), active.machines[0]
    assert (node.state, node.next_boot) == ("active", NextBoot.HOST)
    assert machine.boots == ["host"]
    assert (machine.loaded[0], machine.loaded[2]) == (b"a kernel", b"a whole system")
    assert b"var/lib/cloud/seed/config_drive/openstack/latest/user_data" in machine.loaded[1]
    assert (machine.bmc.boots_from, machine.bmc.boots_always) == (BootDevice.PXE, True)
    assert machine.agent.written == []
    assert active.said("destructive") == []
    assert "the host runs from memory and called home" in active.said("step.complete")[-1]


def test_the_script_has_the_arguments_of_the_image_and_no_secret(active: World) -> None:
    script = active.machines[0].script(active.faces["node-1"])
    assert script.replace(active.node().uuid, "UUID") == GOLDEN.read_text()


@over_both_stores
def test_every_later_boot_gets_the_same(active: World) -> None:
    machine, first = active.machines[0], active.machines[0].loaded
    reboot(active)
    assert machine.boots == ["host", "host"]
    assert machine.loaded == first
    for _ in range(6):  # more than an agent's ramdisk may be loaded in vain
        reboot(active)
    assert machine.loaded == first
    assert active.events("boot.loop") == []


def test_power_that_an_operator_takes_leads_back_to_the_host(active: World) -> None:
    asked = {"nodes": ["node-1"]}
    (row,) = active.operator.post("/bmc-runs/power cycle", json=asked).json()
    assert row["error"] is None
    active.settle()
    assert active.node().next_boot is NextBoot.HOST
    assert active.machines[0].boots == ["host", "host"]


def test_its_own_part_is_for_the_machine_that_boots_alone(active: World) -> None:
    assert refused(active, "10.0.0.101") == "it did not just ask for its boot script"
    active.machines[0].script(active.faces["node-1"])
    assert refused(active, "10.0.0.66") == "the boot script went to 10.0.0.101"
    own = f"/boot/{active.node().uuid}/own"
    assert [active.faces["node-1"].get(own).status_code for _ in range(2)] == [200, 404]


def test_who_asks_for_the_script_from_elsewhere_gets_nothing_of_it(active: World) -> None:
    with active.store.write() as tx:
        tx.events.add("boot.dhcpack", "DHCPACK", node=active.node().uuid, address="10.0.0.101")
    active.machines[0].script(active.face_at("10.0.0.66"))
    assert refused(active, "10.0.0.66") == "the node's address is 10.0.0.101"


def test_the_declared_address_counts_where_dhcp_is_not_heard(world: World) -> None:
    world.at("available")
    declare(world, address="10.0.0.101")
    world.do("deploy")
    world.machines[0].script(world.face_at("10.0.0.66"))
    assert refused(world, "10.0.0.66") == "the node's address is 10.0.0.101"


def test_an_image_without_cloud_init_is_up_once_it_was_fetched(ready: World) -> None:
    ready.machines[0].is_mute = True
    declare(ready, calls_home=False)
    assert ready.do("deploy").state == "active"
    assert "nobody tells that it runs (calls_home: false)" in ready.said("step.complete")[-1]
    assert ready.events("instance.home") == []


def test_a_host_that_never_calls_fails_with_why(ready: World) -> None:
    ready.machines[0].is_mute = True
    node = ready.do("deploy")
    assert node.state == "deploy failed"
    assert "fetched its host's ramdisk, and its operating system never called home" in (node.last_error or "")
    why = ready.operator.get("/nodes/node-1/why").json()
    assert (why["id"], why["hop"]) == ("host.silent", "first boot")


def test_the_hops_of_such_a_boot_end_at_home(active: World) -> None:
    boots = active.operator.get("/nodes/node-1/boots").json()["boots"]
    assert [hop["hop"] for hop in boots[0]["hops"] if hop["at"]][-3:] == ["kernel", "ramdisk", "first boot"]
    assert boots[0]["way"] == "host ramdisk"
    assert active.operator.get("/nodes/node-1/why").json()["verdict"] == "up"


def test_an_image_that_was_replaced_is_not_booted(active: World) -> None:
    build_images(active.images_dir, live=b"another system")
    uuid, face = active.node().uuid, active.faces["node-1"]
    assert face.get("/boot/script", params={"mac": active.machines[0].mac}).status_code == 404
    assert "image 'live' was replaced since it was deployed" in active.said("boot.script-refused")[-1]
    assert active.fetch(f"/boot/{uuid}/initramfs")[0] == 503
    assert active.do("rebuild").state == "active"
    assert active.machines[0].loaded[2] == b"another system"


def test_the_image_that_it_boots_from_is_in_use(active: World) -> None:
    active.declare()
    uses = active.operator.get("/images/live/uses").json()
    [node] = uses["nodes"]
    assert (node["name"], node["in_memory"], uses["declared"]) == ("node-1", True, [])


@over_both_stores
def test_an_undeploy_forgets_it_and_a_direct_deploy_follows(active: World) -> None:
    assert active.do("delete").state == "available"
    assert active.node().next_boot is not NextBoot.HOST
    assert active.machines[0].boots == ["host", "ramdisk"]
    active.declare()
    assert active.do("deploy").state == "active"
    assert active.machines[0].boots[-1] == "disk"
    assert active.machines[0].bmc.boots_from is BootDevice.DISK


def test_a_host_on_disk_is_rebuilt_into_memory_and_back(world: World) -> None:
    world.at("available")
    world.declare()
    world.do("deploy")
    written = len(world.machines[0].agent.written)
    declare(world)
    assert world.do("rebuild").state == "active"
    assert world.machines[0].boots[-1] == "host"
    assert len(world.machines[0].agent.written) == written
    world.declare()
    assert world.do("rebuild").state == "active"
    assert world.machines[0].boots[-1] == "disk"


def test_after_service_and_rescue_the_host_is_back(active: World) -> None:
    assert active.take("service", "burnin_cpu").state == "active"
    assert active.machines[0].boots == ["host", "ramdisk", "host"]
    active.request("rescue", rescue_password="$6$salt$" + "x" * 86)
    active.settle()
    assert active.do("unrescue").state == "active"
    assert active.machines[0].boots[-2:] == ["ramdisk", "host"]


@pytest.mark.parametrize(
    ("more", "facts", "why"),
    [
        ({}, {"boot_interface": BootInterface.VIRTUAL_MEDIA}, "boots from virtual media"),
        ({}, {"secure_boot": True}, "not supported with Secure Boot"),
        ({"deploy_steps": [{"step": "deploy.erase_devices_metadata"}]}, {}, "deploy_steps are the agent's"),
        ({"image": "debian-12"}, {}, "debian-12 in"),
        ({"deploy": "direct"}, {}, "live in"),
        ({"deploy": "direct", "image": "debian-12", "calls_home": False}, {}, "calls_home: false is for"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_nothing_is_booted(
    world: World, more: dict[str, Any], facts: dict[str, Any], why: str
) -> None:
    world.at("available", **facts)
    declare(world, **more)
    answer = world.ask("deploy")
    assert answer.status_code == 422
    assert why in answer.text
    assert world.machines[0].boots == []


def test_a_seed_that_answers_no_dhcp_says_so(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.dhcp = False
    world.start(Fuse())
    world.at("available")
    declare(world)
    node = world.do("deploy")
    assert node.state == "deploy failed"
    assert "answers no DHCP" in (node.last_error or "")
    assert world.machines[0].deeds == []


def test_what_runs_from_memory_is_not_adopted(world: World) -> None:
    world.at("manageable")
    world.machines[0].bmc.power = PowerState.ON
    declare(world)
    node = world.do("adopt")
    assert "is not taken over, deploy it" in (node.last_error or "")


def test_grub_is_told_to_stop(active: World) -> None:
    with active.store.read() as tx:
        (node,) = tx.fleet.bootable()
    spec, title = active.boot.script_of(node)
    assert isinstance(spec, Halt)
    assert "comes by iPXE alone" in spec.reason
    assert title == "undercloud: node-1 stops here"


def test_a_deploy_survives_a_kill_at_every_place(make_world: Callable[..., World]) -> None:
    def prepare(world: World) -> None:
        declare(world)
        world.at("available")

    for world in each_place(make_world, prepare, "deploy", 12):
        machine = world.machines[0]
        assert world.node().state == "active", world.killed_at
        assert machine.boots == ["host"], world.killed_at
        assert machine.agent.written == [], world.killed_at
        assert (machine.bmc.power, machine.bmc.boots_always) == (PowerState.ON, True), world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at
