"""What operators are answered: no secrets, the right status, a way out; bad input changes nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from seed_face import Face
from seed_machine import PASSWORD, Machine
from seed_world import Fuse, World

from seed.ramdisk import TOKEN

BMC = "ipmi://192.0.2.1"


def snapshot(world: World) -> Any:
    """All that operators can change."""
    with world.store.read() as tx:
        nodes, runs = tx.nodes.all(), [run for node in tx.nodes.all() for run in tx.runs.of_node(node.uuid)]
        return nodes, runs, tx.credentials.names(), tx.documents.site(), world.events()


def detail(answer: httpx.Response) -> str:
    return str(answer.json()["detail"])


def test_no_view_shows_a_secret(world: World) -> None:
    machine = world.machines[0]
    world.declare()
    world.at("available")
    assert world.ask("deploy").status_code == 202
    machine.agent.polls = None
    world.settle(until=lambda: "heard" in world.runs()[-1].memo)
    with world.store.read() as tx:
        secrets = [tx.secrets.get(world.node().uuid, name).reveal() for name in (TOKEN, "ssh-host-key")]
    pages = [
        "/nodes",
        "/nodes?detail=true",
        "/nodes/node-1",
        "/runs?node=node-1",
        "/runs/1",
        "/events",
        "/credentials",
        "/profiles",
    ]
    shown = "".join(world.operator.get(page).text for page in pages)
    assert "DISK-B" in shown
    for secret in (PASSWORD, secrets[0], secrets[1].splitlines()[1]):
        assert secret not in shown


def test_a_node_shows_what_can_be_asked_of_it(world: World) -> None:
    world.enroll()
    (view,) = world.operator.get("/nodes", params={"detail": True}).json()
    assert view == world.operator.get("/nodes/node-1").json()
    (summary,) = world.operator.get("/nodes").json()
    assert summary.items() <= view.items()
    fields = {"fields": "name,state"}
    assert world.operator.get("/nodes", params=fields).json() == [{"name": "node-1", "state": "enroll"}]
    refused = world.operator.get("/nodes", params={"fields": "name,password"})
    assert refused.status_code == 404
    assert "no field password; there are: uuid, name" in refused.json()["detail"]
    assert view["state"] == "enroll"
    assert view["verbs"] == ["manage"]
    assert view["run"] is None
    answer = world.ask("manage").json()
    assert answer["run"]["step"] == "verify_credentials"
    assert answer["run"]["who"] == "alice"
    assert "memo" not in answer["run"]
    assert answer["node"]["run"]["id"] == answer["run"]["id"]


def test_a_node_is_enrolled_once(world: World) -> None:
    world.enroll()
    before = snapshot(world)
    for body in ({"name": "other"}, {"name": "node-1", "bmc": "ipmi://192.0.2.7"}):
        answer = world.operator.post("/nodes", json={"bmc": BMC, "credentials": "rack"} | body)
        assert answer.status_code == 409
        assert "is node 'node-1' already" in detail(answer)
    assert snapshot(world) == before


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"password": "hunter2"}, 422, "password"),
        ({"macs": ["52:54:00"]}, 422, "is no MAC address"),
        ({"credentials": "unknown"}, 404, "no credentials 'unknown'; there are: rack"),
        ({"bmc": "ftp://192.0.2.1"}, 422, "unknown protocol 'ftp'"),
        ({"bmc": "192.0.2.1"}, 409, "ipmi://192.0.2.1 or redfish://192.0.2.1"),
        ({"bmc": "ipmi://admin:hunter2@192.0.2.1"}, 422, "carries no user name or password"),
        ({"name": "two words"}, 422, "is no host name"),
        ({"name": "a\n52:54:00:00:00:66,10.0.0.66,evil"}, 422, "is no host name"),
        ({"bmc": None}, 422, "bmc"),
    ],
)
def test_an_enrolment_that_is_refused(world: World, body: dict[str, Any], status: int, words: str) -> None:
    before = snapshot(world)
    answer = world.operator.post("/nodes", json={"bmc": BMC, "credentials": "rack"} | body)
    assert answer.status_code == status
    assert words in answer.text.replace('\\"', '"')
    assert "hunter2" not in answer.text
    assert snapshot(world) == before


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "node-2"}, 409, "name node-2 is node 'node-2' already"),
        ({"macs": ["52:54:00:00:00:02"]}, 409, "belongs to node 'node-2' already"),
        ({"macs": ["52:54:00:00:00:0a", "52:54:00:00:00:02"]}, 409, "belongs to node 'node-2' already"),
        ({"credentials": "unknown"}, 404, "no credentials 'unknown'"),
        ({"state": "active"}, 422, "state"),
        ({"name": ""}, 422, "is no host name"),
    ],
)
def test_a_change_that_is_refused(world: World, body: dict[str, Any], status: int, words: str) -> None:
    world.at("available", Machine(1))
    world.at("available", Machine(2))
    before = snapshot(world)
    answer = world.operator.request("PATCH", "/nodes/node-1", json=body)
    assert answer.status_code == status
    assert words in answer.text
    assert snapshot(world) == before


def test_a_change(world: World) -> None:
    world.enroll()
    body = {"name": "rack1-u07", "macs": ["52-54-00-00-00-0A"]}
    answer = world.operator.request("PATCH", "/nodes/node-1", json=body)
    assert answer.json()["name"] == "rack1-u07"
    assert answer.json()["macs"] == ["52:54:00:00:00:0a"]
    assert "changed by alice: name, macs" in world.said("node.changed")


def test_a_verb_that_is_not_possible_lists_those_that_are(world: World) -> None:
    world.at("available")
    before = snapshot(world)
    answer = world.ask("inspect")
    assert answer.status_code == 409
    refused = "'inspect' is not possible in state 'available'; possible here: deploy, manage, decommission"
    assert detail(answer) == refused
    assert world.operator.post("/nodes/nobody/verbs/manage").status_code == 404
    assert snapshot(world) == before


def test_a_verb_while_another_is_under_way(world: World) -> None:
    world.enroll()
    assert world.ask("manage").status_code == 202
    before = snapshot(world)
    assert world.ask("manage").status_code == 409
    assert snapshot(world) == before


def test_only_an_idle_node_without_a_host_is_removed(world: World) -> None:
    world.at("active", Machine(1))
    world.at("available", Machine(2))
    before = snapshot(world)
    answer = world.operator.request("DELETE", "/nodes/node-1")
    assert answer.status_code == 409
    assert "'node-1' is 'active'" in detail(answer)
    assert snapshot(world) == before
    with world.store.write() as tx:
        uuid = tx.nodes.get("node-2").uuid
    assert world.operator.request("DELETE", "/nodes/node-2").status_code == 204
    assert world.operator.get("/nodes/node-2").status_code == 404
    assert world.operator.get(f"/nodes/{uuid}").status_code == 404
    assert "'node-2' removed by alice" in world.said("node.removed")


def test_credentials_go_in_and_do_not_come_out(world: World) -> None:
    body = {"username": "root", "password": "hunter2", "verify_tls": False}
    assert world.operator.request("PUT", "/credentials/lab", json=body).status_code == 204
    answer = world.operator.get("/credentials")
    assert answer.json() == [
        {"name": "lab", "username": "root", "verify_tls": False, "nodes": 0},
        {"name": "rack", "username": "admin", "verify_tls": True, "nodes": 0},
    ]
    with world.store.read() as tx:
        assert tx.credentials.get("lab").password.reveal() == "hunter2"
    assert world.said("credentials") == ["credentials 'lab' set by alice"]
    assert "hunter2" not in world.operator.get("/events").text


@pytest.mark.parametrize("more", [{"user": "root"}, {"username": 5}, {"verify_tls": "perhaps"}])
def test_a_password_in_a_refused_body_is_not_repeated(world: World, more: dict[str, Any]) -> None:
    before = snapshot(world)
    answer = world.operator.request("PUT", "/credentials/lab", json={"password": "hunter2"} | more)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert snapshot(world) == before


def test_declared_hosts_name_their_nodes(world: World) -> None:
    world.enroll()
    host = {"match": {"bmc": "192.0.2.1"}, "name": "web-1", "macs": ["52:54:00:00:00:0a"]}
    answer = world.operator.request("PUT", "/profiles", json={"hosts": [host]})
    assert answer.json() == {"hosts": 1, "matched": 1}
    view = world.operator.get("/nodes/web-1").json()
    assert view["macs"] == ["52:54:00:00:00:0a"]
    assert world.operator.get("/profiles").json()["hosts"][0]["name"] == "web-1"


@pytest.mark.parametrize(
    ("hosts", "status", "words"),
    [
        ([{"match": {"serial": "SERIAL-1"}, "name": "node-2"}], 409, "name node-2 is node 'node-2' already"),
        ([{"match": {"name": "node-1"}, "macs": ["52:54:00:00:00:02"]}], 409, "belongs to node 'node-2'"),
        ([{"match": {"name": "node-1"}}, {"match": {"serial": "SERIAL-1"}}], 409, "2 declared hosts match"),
        ([{"match": {"name": "node-1"}, "imgae": "x"}], 422, "imgae"),
        ([{"match": {"name": "node-1"}, "address": "10.9.9.9"}], 422, "provisioning"),
    ],
)
def test_a_declaration_that_is_refused(
    world: World, hosts: list[dict[str, Any]], status: int, words: str
) -> None:
    world.at("available", Machine(1))
    world.at("available", Machine(2))
    before = snapshot(world)
    answer = world.operator.request("PUT", "/profiles", json={"hosts": hosts})
    assert answer.status_code == status
    assert words in answer.text
    assert snapshot(world) == before


def test_events_are_read_from_where_one_stopped(world: World) -> None:
    world.enroll()
    world.do("manage")
    everything = world.operator.get("/events").json()
    assert [event["id"] for event in everything] == sorted(event["id"] for event in everything)
    (newest,) = world.operator.get("/events", params={"last": 1}).json()
    assert newest == everything[-1]
    rest = world.operator.get("/events", params={"after": 2, "node": "node-1"}).json()
    assert rest == [event for event in everything if event["id"] > 2 and event["node"]]
    assert len(world.operator.get("/events", params={"limit": 1}).json()) == 1
    assert world.operator.get("/events", params={"limit": 0}).status_code == 422
    assert world.operator.get("/events", params={"node": "nobody"}).status_code == 404
    assert world.operator.get("/runs/99").status_code == 404


def test_a_wrong_key_file_is_told_in_words(world: World) -> None:
    world.key = Fernet(Fernet.generate_key())
    world.reopen()
    before = snapshot(world)
    for answer in (world.operator.get("/credentials"), _discover(world.operator, "192.0.2.0/30", "rack")):
        assert answer.status_code == 500
        assert "encrypted with another key" in detail(answer)
    assert snapshot(world) == before
    world.start(Fuse())


@pytest.mark.parametrize(
    ("range_", "credentials", "status", "words"),
    [
        ("192.0.2.0/99", "rack", 422, "192.0.2.0/99"),
        ("nonsense", "rack", 422, "nonsense"),
        ("192.0.2.0/30", "unknown", 404, "no credentials 'unknown'; there are: rack"),
    ],
)
def test_a_discovery_that_is_refused(
    world: World, range_: str, credentials: str, status: int, words: str
) -> None:
    before = snapshot(world)
    answer = _discover(world.operator, range_, credentials)
    assert answer.status_code == status
    assert words in detail(answer)
    assert snapshot(world) == before


def test_a_discovery_of_nothing_tells_its_progress(world: World) -> None:
    """192.0.2.0/24 is nobody's (RFC 5737), 127.0.0.2 is this machine, which has no BMC."""
    answer = _discover(world.operator, "127.0.0.2", "rack")
    assert answer.status_code == 200
    lines = answer.text.splitlines()
    assert lines
    assert all('"progress"' in line for line in lines)


def test_health(world: World) -> None:
    assert world.operator.get("/health").json() == {"status": "ok", "seed": "test"}


def test_a_handoff_is_journaled(world: World) -> None:
    world.at("active")
    body = {"role": "kubernetes", "said": "containerd serves"}
    assert world.operator.post("/nodes/node-1/handoff", json=body).status_code == 204
    assert world.said("handoff") == ["kubernetes: containerd serves"]


def _discover(operator: Face, range_: str, credentials: str) -> httpx.Response:
    return operator.post("/discoveries", json={"ranges": [range_], "credentials": [credentials]})
