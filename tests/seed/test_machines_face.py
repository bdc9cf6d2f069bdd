"""What machines are answered on the provisioning network; who is not expected gets nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from seed_face import Face
from seed_machine import DISKS, Machine, report
from seed_world import World

from hwdrivers.bmc import BootMode
from hwdrivers.credentials import Secret
from seed.model import NextBoot, Node
from seed.ramdisk import TOKEN

GOLDEN = Path(__file__).parent.parent / "data" / "seed"


@pytest.fixture
def machine(world: World) -> Machine:
    """Enrolled, and expected to boot the ramdisk."""
    world.at("available")
    expect(world, NextBoot.RAMDISK)
    return world.machines[0]


@pytest.fixture
def face(world: World, machine: Machine) -> Face:
    return world.faces[machine.name]


def expect(world: World, boot: NextBoot) -> None:
    with world.store.write() as tx:
        tx.nodes.update(tx.nodes.get("node-1").uuid, next_boot=boot)


def lookup(face: Face, machine: Machine) -> tuple[int, str]:
    answer = face.get("/v1/lookup", params={"addresses": f"02:00:00:00:00:01,{machine.mac.upper()}"})
    return answer.status_code, answer.json().get("config", {}).get("agent_token", answer.text)


def beat(face: Face, node: Node, token: str) -> int:
    body = {"callback_url": "https://10.0.0.101:9999/", "agent_token": token, "agent_verify_ca": "PEM"}
    return face.post(f"/v1/heartbeat/{node.uuid}", json=body).status_code


@pytest.mark.parametrize("boot", [NextBoot.DISK, NextBoot.RAMDISK])  # HOST: test_host_ramdisk.py
def test_the_boot_script_of_a_machine(world: World, face: Face, machine: Machine, boot: NextBoot) -> None:
    expect(world, boot)
    answer = face.get("/boot/script", params={"mac": machine.mac.replace(":", "-").upper()})
    assert answer.status_code == 200
    text = answer.text.replace(world.node().uuid, "UUID")
    assert text == (GOLDEN / f"boot-{boot}.ipxe").read_text()
    (told,) = world.events("boot.script")
    assert (told.message, told.data["boots"]) == (f"asked what to boot: {boot}", boot)


def test_a_stranger_gets_no_script(face: Face, world: World) -> None:
    answer = face.get("/boot/script", params={"mac": "52:54:00:00:00:99"})
    assert answer.status_code == 404
    assert "no node has MAC 52:54:00:00:00:99" in answer.text
    face.get("/boot/script", params={"mac": "52:54:00:00:00:99"})  # as iPXE does every 5 s
    assert world.said("boot.") == ["gets no boot script: no node has MAC 52:54:00:00:00:99"]


def test_the_first_script_chains_to_the_one_of_the_machine(face: Face) -> None:
    assert "http://10.0.0.1:8080/boot/script?mac=${mac}" in face.get("/boot.ipxe").text


@pytest.mark.usefixtures("machine")
def test_the_files_behind_the_script(world: World) -> None:
    uuid = world.node().uuid
    assert world.fetch(f"/boot/{uuid}/kernel") == (200, b"kernel")
    assert world.fetch(f"/boot/{uuid}/initramfs") == (200, b"initramfs")
    assert world.said("boot.kernel") == ["fetches the kernel"]
    assert world.fetch("/boot/nobody/kernel")[0] == 404
    assert world.fetch("/images/debian-12") == (200, b"a whole disk")
    assert world.fetch("/images/nothing")[0] == 503
    assert world.fetch("/images/ramdisk")[0] == 503


@pytest.mark.usefixtures("machine")
def test_nothing_else_is_a_file_for_machines(world: World) -> None:
    here = world.images.os_image("debian-12").path.parent
    for name in (f"..%2F{here.parent.name}%2Fdebian-12", f"{str(here).replace('/', '%2F')}", "a%00b"):
        assert world.fetch(f"/images/{name}")[0] == 503
    status, told = world.fetch("/boot/nobody/kernel")
    assert (status, b"node-1" in told) == (404, False)


def test_the_agent_asks_for_the_version_first(face: Face) -> None:
    assert face.get("/").json()["default_version"]["version"] == "1.94"


def test_one_token_for_each_boot(face: Face, machine: Machine, world: World) -> None:
    status, token = lookup(face, machine)
    assert status == 200
    assert len(token) >= 32
    assert lookup(face, machine) == (200, token)  # the first answer may have been lost
    assert beat(face, world.node(), token) == 202
    status, words = lookup(face, machine)
    assert status == 409
    assert "is that of node" in words
    assert token not in words


def test_another_address_gets_no_token(world: World, machine: Machine) -> None:
    face, other = world.faces[machine.name], world.face_at("10.0.0.66")
    assert lookup(face, machine)[0] == 200
    status, words = lookup(other, machine)
    assert status == 409
    assert "is that of node" in words


def test_the_next_boot_has_another_token(world: World, machine: Machine) -> None:
    seen = []
    face = world.faces[machine.name]
    for _ in range(2):
        with world.store.write() as tx:
            tx.nodes.drop_agent(world.node().uuid)
            tx.secrets.drop(world.node().uuid, TOKEN)
        seen.append(lookup(face, machine)[1])
    assert seen[0] != seen[1]
    assert beat(face, world.node(), seen[0]) == 401
    assert beat(face, world.node(), seen[1]) == 202


def test_a_machine_that_is_to_boot_from_disk_gets_no_token(
    world: World, face: Face, machine: Machine
) -> None:
    expect(world, NextBoot.DISK)
    status, words = lookup(face, machine)
    assert status == 409
    assert "is not to run a ramdisk now" in words
    with world.store.read() as tx:
        assert tx.secrets.find(world.node().uuid, TOKEN) is None


def test_lookups_of_strangers_and_of_mixed_up_machines(world: World, face: Face, machine: Machine) -> None:
    world.at("available", Machine(2))
    assert face.get("/v1/lookup", params={"addresses": "02:00:00:00:00:01"}).status_code == 404
    assert face.get("/v1/lookup").status_code == 404
    both = face.get("/v1/lookup", params={"addresses": f"{machine.mac},52:54:00:00:00:02"})
    assert both.status_code == 409
    assert "node-1, node-2" in both.json()["detail"]
    asked = {"addresses": machine.mac, "node_uuid": "of another"}
    assert face.get("/v1/lookup", params=asked).status_code == 404


def test_a_heartbeat_needs_the_token(world: World, face: Face, machine: Machine) -> None:
    node = world.node()
    assert beat(face, node, "") == 401
    _, token = lookup(face, machine)
    assert beat(face, node, token + "x") == 401
    with world.store.read() as tx:
        agent = tx.nodes.agent(node.uuid)
    assert agent is not None
    assert agent.heartbeat_at is None
    assert beat(face, node, token) == 202
    assert beat(face, node, token) == 202
    assert len(world.events("agent.heartbeat")) == 1
    assert (
        face.post("/v1/heartbeat/nobody", json={"callback_url": "u", "agent_token": "t"}).status_code == 404
    )


@pytest.mark.parametrize("url", ["https://10.0.0.66:9999", "http://10.0.0.101:9999", "nonsense"])
def test_an_agent_listens_where_it_called_from_and_over_tls(
    world: World, face: Face, machine: Machine, url: str
) -> None:
    _, token = lookup(face, machine)
    body = {"callback_url": url, "agent_token": token, "agent_verify_ca": "PEM"}
    assert face.post(f"/v1/heartbeat/{world.node().uuid}", json=body).status_code == 401
    with world.store.read() as tx:
        agent = tx.nodes.agent(world.node().uuid)
    assert agent is not None
    assert (agent.url, agent.heartbeat_at) == (None, None)


def test_a_later_heartbeat_moves_the_agent_nowhere(world: World, face: Face, machine: Machine) -> None:
    _, token = lookup(face, machine)
    assert beat(face, world.node(), token) == 202
    body = {"callback_url": "https://10.0.0.66:9999", "agent_token": token, "agent_verify_ca": "OTHER"}
    assert face.post(f"/v1/heartbeat/{world.node().uuid}", json=body).status_code == 202
    with world.store.read() as tx:
        agent = tx.nodes.agent(world.node().uuid)
    assert agent is not None
    assert (agent.url, agent.ca) == ("https://10.0.0.101:9999", "PEM")


def test_a_refused_body_is_not_repeated(face: Face, world: World) -> None:
    body = {"agent_token": "a-token-that-is-secret", "callback_url": 5}
    answer = face.post(f"/v1/heartbeat/{world.node().uuid}", json=body)
    assert answer.status_code == 422
    assert "callback_url" in answer.text
    assert "a-token-that-is-secret" not in answer.text


def test_a_report_is_taken_from_a_ramdisk_that_is_expected(
    world: World, face: Face, machine: Machine
) -> None:
    assert face.post("/v1/continue_inspection", json=machine.reports).json() == {"uuid": world.node().uuid}
    with world.store.read() as tx:
        agent = tx.nodes.agent(world.node().uuid)
    assert agent is not None
    assert agent.report is not None
    assert [disk.serial for disk in agent.report.disks] == ["DISK-A", "DISK-B"]


def test_a_report_is_refused_where_no_ramdisk_is_to_run(world: World, face: Face, machine: Machine) -> None:
    expect(world, NextBoot.DISK)
    answer = face.post("/v1/continue_inspection", json=machine.reports)
    assert answer.status_code == 409
    assert "is not to run a ramdisk now" in answer.json()["detail"]
    with world.store.read() as tx:
        assert tx.nodes.agent(world.node().uuid) is None


def test_an_agent_that_is_sent_away_again_and_again_is_journaled_once(
    world: World, face: Face, machine: Machine
) -> None:
    expect(world, NextBoot.DISK)
    for _ in range(3):
        assert lookup(face, machine)[0] == 409
        assert face.post("/v1/continue_inspection", json=machine.reports).status_code == 409
    told = "an agent at 10.0.0.101: node 'node-1' is not to run a ramdisk now"
    assert world.said("agent.refused") == [told]


def test_the_report_of_an_agent_at_work_is_not_replaced(world: World, face: Face, machine: Machine) -> None:
    face.post("/v1/continue_inspection", json=machine.reports)
    _, token = lookup(face, machine)
    assert beat(face, world.node(), token) == 202
    forged = report("SERIAL-1", [machine.mac], DISKS[:1], BootMode.BIOS)
    assert face.post("/v1/continue_inspection", json=forged).status_code == 409
    with world.store.read() as tx:
        agent = tx.nodes.agent(world.node().uuid)
    assert agent is not None
    assert agent.report is not None
    assert len(agent.report.disks) == 2


def test_a_report_of_a_stranger(face: Face) -> None:
    answer = face.post("/v1/continue_inspection", json=report("X", ["02:00:00:00:00:01"], (), BootMode.BIOS))
    assert answer.status_code == 404
    assert face.post("/v1/continue_inspection", json={}).status_code == 404


def test_a_host_calls_home_from_its_declared_address_only(world: World) -> None:
    machine = world.machines[0]
    world.declare({"match": {"name": "node-1"}, "address": "10.0.0.50"})
    world.at("available")
    assert world.ask("deploy").status_code == 202
    home, instance = f"/v1/phone-home/{world.node().uuid}", world.instance().uuid
    answer = world.faces[machine.name].post(home, data={"instance_id": instance})
    assert answer.status_code == 403
    host = world.face_at("10.0.0.50")
    assert host.post(home).status_code == 403
    assert host.post(home, data={"instance_id": world.node().uuid}).status_code == 403
    assert world.events("instance.home") == []
    assert host.post(home, data={"instance_id": instance}).status_code == 200
    assert len(world.events("instance.home")) == 1
    assert host.post("/v1/phone-home/nobody", data={"instance_id": instance}).status_code == 404


def test_no_call_shows_a_secret_in_the_journal(world: World, face: Face, machine: Machine) -> None:
    _, token = lookup(face, machine)
    beat(face, world.node(), token)
    told = " ".join(f"{event.message} {event.data}" for event in world.events())
    assert token not in told
    assert token not in repr(Secret(token))
