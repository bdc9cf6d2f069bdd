"""A plan is carried out by the seed, as it was made and no otherwise; wherever it is killed, it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
import pytest
from seed_machine import Machine
from seed_world import Fuse, Killed, World, build_images
from store_places import KINDS

from hwdrivers.fake import Fault
from profiles.site import Site
from seed.fake_agent import WRITE
from seed.plans.plan import Options, RowState
from seed.store.errors import Conflict

Make = Callable[..., World]


def site(world: World, **host: Any) -> dict[str, Any]:
    """One host for each machine."""
    hosts = [
        {"match": {"bmc": f"192.0.2.{number}"}, "state": "active", "ssh_keys": ["ssh-ed25519 AAAA"], **host}
        for number, _ in enumerate(world.machines, 1)
    ]
    return {"networks": {"provisioning": {"cidr": "10.0.0.0/24"}}, "hosts": hosts}


def plan(world: World, declared: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = world.operator.post("/plans", json={"site": declared, **more})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def post(world: World, made: dict[str, Any], **options: int) -> httpx.Response:
    return world.operator.post("/rollouts", json={"plan": made, "options": options})


def apply(world: World, declared: dict[str, Any], **options: int) -> int:
    """Plan and begin; returns the rollout's number."""
    answer = post(world, plan(world, declared), **options)
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["rollout"]["id"]
    return number


def show(world: World, number: int) -> dict[str, Any]:
    shown: dict[str, Any] = world.operator.get(f"/rollouts/{number}").json()
    return shown


def rows(world: World, number: int) -> list[tuple[str, str]]:
    return [(row["name"], row["state"]) for row in show(world, number)["nodes"]]


def snapshot(world: World) -> Any:
    with world.store.read() as tx:
        runs = [run for node in tx.nodes.all() for run in tx.runs.of_node(node.uuid)]
        return tx.nodes.all(), runs, tx.documents.site(), tx.rollouts.all(), world.events()


@pytest.fixture
def rack(make_world: Make) -> World:
    """Four machines that were just enrolled."""
    world = make_world(*(Machine(number) for number in range(1, 5)))
    for machine in world.machines:
        world.enroll(machine)
    return world


# -- to the end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_machines_become_hosts_and_then_nothing_is_to_be_done(make_world: Make) -> None:
    world = make_world(Machine(1), Machine(2))
    for machine in world.machines:
        world.enroll(machine)
    declared = site(world)
    first = plan(world, declared)
    assert [node["verbs"] for node in first["nodes"]] == [["manage", "inspect", "provide", "deploy"]] * 2
    number = apply(world, declared)
    world.settle()
    for machine in world.machines:
        assert world.node(machine).state == "active"
        assert [run.verb for run in world.runs(machine)] == ["manage", "inspect", "provide", "deploy"]
        assert {(run.rollout, run.who) for run in world.runs(machine)} == {(number, "alice")}
        assert machine.agent.count(WRITE) == 1
    shown = show(world, number)
    assert (shown["state"], shown["reason"]) == ("done", None)
    assert shown["counts"] == {"pending": 0, "running": 0, "done": 2, "failed": 0, "skipped": 0}
    assert world.said("rollout") == [
        "rollout 1 begins with 2 nodes, for alice",
        "rollout 1 is done: 2 done",
    ]

    again = plan(world, declared)
    assert not again["declares"]
    assert {node["verdict"] for node in again["nodes"]} == {"as declared"}
    before = snapshot(world)
    assert post(world, again).json() == {"rollout": None}
    assert snapshot(world) == before


def test_a_finished_rollout_teaches_how_long_verbs_take(rack: World) -> None:
    apply(rack, site(rack, state="manageable"))
    rack.settle()
    seconds = plan(rack, site(rack, state="available"))["nodes"][0]["seconds"]
    assert seconds is None  # provide was never done here
    apply(rack, site(rack, state="available"))
    rack.settle()
    rack.enroll(Machine(9))
    declared = {"hosts": [{"match": {"name": "node-9"}, "state": "available"}]}
    made = plan(rack, declared)
    assert made["nodes"][0]["verbs"] == ["manage", "provide"]
    assert made["nodes"][0]["seconds"]["runs"] == 4
    assert made["seconds"] == made["nodes"][0]["seconds"]["median"]


def test_a_host_that_is_declared_otherwise_is_rebuilt(make_world: Make) -> None:
    world = make_world(Machine())
    world.enroll()
    apply(world, site(world))
    world.settle()
    first = world.instance()
    build_images(world.images_dir, virtual_size=3)  # the same bytes: nothing to do
    assert not plan(world, site(world))["nodes"][0]["verbs"]
    made = plan(world, site(world, hostname="web-1"))
    assert made["nodes"][0]["differs"] == ["host name: node-1 → web-1"]
    assert [act["serial"] for act in made["nodes"][0]["acts"]] == ["DISK-B"]
    post(world, made)
    world.settle()
    assert (world.node().state, world.instance().hostname) == ("active", "web-1")
    assert world.instance().uuid != first.uuid
    assert world.machines[0].agent.count(WRITE) == 2
    assert not plan(world, site(world, hostname="web-1"))["nodes"][0]["verbs"]


def test_what_needs_no_machine_is_put_right_without_a_rollout(world: World) -> None:
    world.enroll()
    declared = site(world, state=None, name="web-1", maintenance="a dead fan", macs=["52:54:00:00:00:0a"])
    made = plan(world, declared)
    assert made["nodes"][0]["differs"] == [
        "name: node-1 → web-1",
        "MACs: also 52:54:00:00:00:0a",
        "maintenance: on (a dead fan)",
    ]
    assert post(world, made).json() == {"rollout": None}
    node = world.operator.get("/nodes/web-1").json()
    assert (node["maintenance_reason"], node["maintenance_by"]) == ("a dead fan", "alice")
    assert node["macs"] == ["52:54:00:00:00:0a"]
    assert "as declared by alice" in world.said("node.declared")[0]
    assert plan(world, declared)["nodes"][0]["differs"] == []


def test_targets_are_all_that_is_touched(rack: World) -> None:
    declared = site(rack, state="manageable", maintenance=False)
    declared["hosts"][1]["name"] = "renamed"
    made = plan(rack, declared, targets=["node-1"])
    assert post(rack, made).status_code == 201
    rack.settle()
    names = [(node["name"], node["state"]) for node in rack.operator.get("/nodes").json()]
    assert names == [
        ("node-1", "manageable"),
        ("node-2", "enroll"),
        ("node-3", "enroll"),
        ("node-4", "enroll"),
    ]


# -- killed anywhere -------------------------------------------------------------------------------------


def begin(world: World) -> None:
    with world.store.read() as tx:
        if tx.rollouts.all():
            return
    declared = Site.model_validate(site(world))
    world.applying.open(world.applying.plan(declared, (), Options()), Options(), "alice")


def kill_at(make_world: Make, state: str, at: int) -> tuple[World, Fuse]:
    """Apply with a seed that is killed at the `at`-th place, and start another one then."""
    world = make_world(Machine(), folder=f"at-{at}")
    world.at(state)
    with world.store.write() as tx:
        tx.nodes.update(world.node().uuid, inventory=None)
    fuse = Fuse(at)
    world.start(fuse)
    try:
        begin(world)
        world.settle()
    except Killed:
        world.start(Fuse())
        world.conductor.resume()
        begin(world)  # if it was killed before it was written down, the operator asks again
        world.settle()
    return world, fuse


@pytest.mark.parametrize(("state", "every", "at_least"), [("manageable", 7, 80)])
def test_a_rollout_survives_a_kill_at_every_place(
    make_world: Make, state: str, every: int, at_least: int
) -> None:
    for at in count(0, every):
        world, fuse = kill_at(make_world, state, at)
        where = f"{at}: {fuse.passed[-1]}"
        assert [run.verb for run in world.runs()] == ["inspect", "provide", "deploy"], where
        assert {run.state for run in world.runs()} == {"done"}, where
        assert world.node().state == "active", where
        assert world.machines[0].agent.count(WRITE) == 1, where
        assert world.machines[0].agent.count("clean.execute_clean_step") == 1, where
        shown = show(world, 1)
        assert (shown["state"], rows(world, 1)) == ("done", [("node-1", "done")]), where
        assert len(world.operator.get("/rollouts").json()) == 1, where
        world.close()
        if not fuse.blown:
            assert at >= at_least
            return


@pytest.mark.parametrize("kind", KINDS)
def test_two_seeds_that_go_on_at_once_do_it_once(rack: World, caplog: pytest.LogCaptureFixture) -> None:
    number = apply(rack, site(rack, state="available"), max_parallel=2)
    another, over = rack.rollouts, threading.Event()
    rack.start(Fuse(), name="another")

    def go_on() -> None:
        while not over.is_set():
            another.advance()

    with ThreadPoolExecutor(2) as pool:
        seeds = [pool.submit(go_on) for _ in range(2)]
        rack.settle()
        over.set()
    assert [seed.result() for seed in seeds] == [None, None]
    assert not caplog.records
    for machine in rack.machines:
        assert [run.verb for run in rack.runs(machine)] == ["manage", "provide"]
    assert show(rack, number)["state"] == "done"


# -- few at a time, and not when it goes wrong -----------------------------------------------------------


def break_down(world: World, *numbers: int) -> None:
    """The BMCs of these machines refuse to be logged in to."""
    for number in numbers:
        world.machines[number - 1].bmc.faults.add(Fault.REFUSE_LOGIN)


def test_no_more_are_under_way_than_may_be(rack: World) -> None:
    number = apply(rack, site(rack, state="available"), max_parallel=2)
    most = 0

    def look() -> bool:
        nonlocal most
        most = max(most, show(rack, number)["counts"]["running"])
        return False

    rack.settle(until=look)
    assert most == 2
    assert show(rack, number)["counts"]["done"] == 4


def test_canaries_go_first_and_the_others_follow(rack: World) -> None:
    number = apply(rack, site(rack, state="available"), canary=1)
    assert [state for _, state in rows(rack, number)] == ["running", "pending", "pending", "pending"]
    rack.settle(until=lambda: show(rack, number)["counts"]["done"] == 1)
    assert [state for _, state in rows(rack, number)][:1] == ["done"]
    assert rack.node(rack.machines[0]).state == "available"
    rack.settle()
    assert show(rack, number)["counts"]["done"] == 4


def test_a_canary_that_fails_is_the_last_one_whatever_the_budget(rack: World) -> None:
    break_down(rack, 1)
    number = apply(rack, site(rack, state="manageable"), canary=1, failure_budget=3)
    rack.settle()
    shown = show(rack, number)
    assert (shown["state"], shown["reason"]) == ("failed", "a canary failed")
    assert [row["state"] for row in shown["nodes"]] == ["failed", "skipped", "skipped", "skipped"]
    assert "wrong password" in shown["nodes"][0]["message"]
    assert [len(rack.runs(machine)) for machine in rack.machines] == [1, 0, 0, 0]


def test_the_first_failure_is_the_last_by_default(rack: World) -> None:
    break_down(rack, 2)
    number = apply(rack, site(rack, state="available"), max_parallel=1)
    rack.settle()
    shown = show(rack, number)
    assert [row["state"] for row in shown["nodes"]] == ["done", "failed", "skipped", "skipped"]
    assert shown["reason"] == "1 failed, and the failure budget is 0"
    assert rack.said("rollout")[-1] == (
        "rollout 1 is failed: 1 done, 1 failed, 2 skipped; 1 failed, and the failure budget is 0"
    )


def test_what_is_under_way_goes_on_when_the_budget_is_spent(rack: World) -> None:
    break_down(rack, 1)
    number = apply(rack, site(rack, state="available"), max_parallel=3)
    rack.settle()
    assert [state for _, state in rows(rack, number)] == ["failed", "done", "done", "skipped"]


def test_a_budget_lets_the_others_go_on(rack: World) -> None:
    break_down(rack, 1, 3)
    number = apply(rack, site(rack, state="manageable"), max_parallel=1, failure_budget=2)
    rack.settle()
    shown = show(rack, number)
    assert [row["state"] for row in shown["nodes"]] == ["failed", "done", "failed", "done"]
    assert (shown["state"], shown["reason"]) == ("failed", None)  # not all of them are as declared


def test_after_the_repair_the_rest_is_done(rack: World) -> None:
    break_down(rack, 1)
    apply(rack, site(rack, state="manageable"), max_parallel=1)
    rack.settle()
    rack.machines[0].bmc.faults.clear()
    made = plan(rack, site(rack, state="manageable"))
    assert [node["verdict"] for node in made["nodes"]] == ["changes"] * 4
    post(rack, made)
    rack.settle()
    assert {rack.node(machine).state for machine in rack.machines} == {"manageable"}


def test_a_stop_starts_nothing_further(rack: World) -> None:
    number = apply(rack, site(rack, state="available"), max_parallel=2)
    answer = rack.operator.post(f"/rollouts/{number}/stop")
    assert (answer.status_code, answer.json()["state"]) == (200, "stopping")
    rack.settle()
    shown = show(rack, number)
    assert (shown["state"], shown["reason"]) == ("stopped", "stopped by alice")
    assert [row["state"] for row in shown["nodes"]] == ["skipped"] * 4
    assert shown["nodes"][0]["message"] == "stopped by alice, after manage"
    states = [rack.node(machine).state for machine in rack.machines]
    assert states == ["manageable", "manageable", "enroll", "enroll"]
    again = rack.operator.post(f"/rollouts/{number}/stop")
    assert (again.status_code, again.json()["detail"]) == (409, "rollout 1 is stopped already")


# -- what operators do meanwhile -------------------------------------------------------------------------


def test_a_node_in_two_rollouts_is_refused(rack: World) -> None:
    declared = site(rack, state="manageable")
    made = plan(rack, declared)
    number = apply(rack, declared, max_parallel=1)
    before = snapshot(rack)
    for answer in (post(rack, made), post(rack, plan(rack, declared))):
        assert answer.status_code == 409
        assert f"node 'node-1': rollout {number} has it" in answer.json()["detail"]
    assert snapshot(rack) == before


def test_a_run_that_is_aborted_is_a_failure_of_its_node(rack: World) -> None:
    number = apply(rack, site(rack, state="available"), failure_budget=1)
    rack.settle(until=lambda: rack.runs()[-1].step == "boot_ramdisk")
    assert rack.ask("abort").status_code == 202
    rack.settle()
    shown = show(rack, number)
    assert [row["state"] for row in shown["nodes"]] == ["failed", "done", "done", "done"]
    assert shown["nodes"][0]["message"].startswith("provide: ")
    assert "aborted by alice" in shown["nodes"][0]["message"]


def test_a_node_that_gets_protected_keeps_its_data(rack: World) -> None:
    number = apply(rack, site(rack, state="available"), max_parallel=1, failure_budget=1)
    with rack.store.write() as tx:
        tx.nodes.update(rack.node(rack.machines[3]).uuid, protected=True, protected_reason="mine")
    rack.settle()
    assert rows(rack, number)[3] == ("node-4", "failed")
    assert "is protected (mine)" in show(rack, number)["nodes"][3]["message"]
    assert rack.node(rack.machines[3]).state == "manageable"


def test_a_node_that_is_removed_is_a_failure(rack: World) -> None:
    number = apply(rack, site(rack, state="manageable"), max_parallel=1, failure_budget=1)
    assert rack.operator.request("DELETE", "/nodes/node-3").status_code == 204
    rack.settle()
    row = show(rack, number)["nodes"][2]
    assert (row["state"], row["message"]) == ("failed", "manage: the node was removed")


def test_what_was_declared_otherwise_meanwhile_is_not_deployed(make_world: Make) -> None:
    world = make_world(Machine())
    world.enroll()
    number = apply(world, site(world))
    assert world.operator.request("PUT", "/profiles", json=site(world, hostname="other")).status_code == 200
    world.settle()
    assert show(world, number)["nodes"][0]["message"] == (
        "deploy: it was declared otherwise since the plan was made; make a new plan"
    )
    assert world.node().state == "available"
    assert world.machines[0].agent.count(WRITE) == 0


# -- plans that do not hold any more ---------------------------------------------------------------------


def test_a_plan_is_refused_when_the_facts_changed(rack: World) -> None:
    made = plan(rack, site(rack, state="manageable"))
    rack.do("manage", rack.machines[1])
    before = snapshot(rack)
    answer = post(rack, made)
    assert answer.status_code == 409
    told = answer.json()["detail"]
    assert told.startswith("nothing was changed: the facts are not those of 2026-11-22 12:00:00 UTC")
    assert "node 'node-2': serial was none, is SERIAL-2, state was enroll, is manageable" in told
    assert "newest run was none, is 1" in told
    assert "node-1" not in told
    assert snapshot(rack) == before


def test_a_plan_that_was_written_by_hand_is_refused(rack: World) -> None:
    made = plan(rack, site(rack, state="manageable"))
    made["nodes"][0]["verbs"] = ["manage", "provide"]
    before = snapshot(rack)
    answer = post(rack, made)
    assert answer.status_code == 409
    assert "node 'node-1': the way was manage; provide, would now be manage" in answer.json()["detail"]
    assert snapshot(rack) == before


def test_a_plan_for_an_image_that_was_built_anew_is_refused(world: World) -> None:
    world.at("available")
    declared = site(world)
    made = plan(world, declared)
    (world.images_dir / "debian-12" / "manifest.json").unlink()
    before = snapshot(world)
    answer = post(world, made)
    assert answer.status_code == 409
    assert "No image debian-12" in answer.json()["detail"]
    assert snapshot(world) == before


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"hosts": [{"match": {"serial": "A"}, "profile": "x"}]}, 422, "profile 'x' is not declared"),
        ({"profiles": {"a": {"extends": "b"}, "b": {"extends": "a"}}}, 422, "in a circle: a → b → a"),
        ({"hosts": [{"match": {"serial": "A"}, "state": "on fire"}]}, 422, "state"),
        ({"hosts": [{"match": {"vendor": "Acme"}, "name": "one"}]}, 422, "may be many nodes"),
        ({"hosts": [{"match": {"serial": "SAME"}}]}, 409, "the declared host serial SAME is two nodes"),
        (
            {"hosts": [{"match": {"name": "node-1"}}, {"match": {"bmc": "192.0.2.1"}}]},
            409,
            "2 declared hosts",
        ),
    ],
)
def test_a_site_that_is_wrong_in_itself_is_refused(
    rack: World, change: dict[str, Any], status: int, words: str
) -> None:
    with rack.store.write() as tx:
        for machine in rack.machines[:2]:
            tx.nodes.update(tx.nodes.get(machine.name).uuid, serial="SAME")
    before = snapshot(rack)
    for answer in (
        rack.operator.post("/plans", json={"site": change}),
        rack.operator.request("PUT", "/profiles", json=change),
    ):
        assert answer.status_code == status, answer.text
        assert words in answer.text
    assert snapshot(rack) == before


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/plans", {}, 422),
        ("/plans", {"site": {}, "targets": ["nobody"]}, 404),
        ("/plans", {"site": {}, "options": {"max_parallel": 0}}, 422),
        ("/rollouts", {"plan": {"format": "undercloud plan 0"}}, 422),
        ("/rollouts/7/stop", None, 404),
    ],
)
def test_what_cannot_be_asked(world: World, path: str, body: Any, status: int) -> None:
    before = snapshot(world)
    assert world.operator.post(path, json=body).status_code == status
    assert snapshot(world) == before


def test_no_view_of_a_rollout_shows_user_data(world: World) -> None:
    world.enroll()
    number = apply(world, site(world, user_data={"password": "hunter2"}))
    for page in ("/rollouts", f"/rollouts/{number}", f"/rollouts/{number}?state=running", "/events"):
        assert "hunter2" not in world.operator.get(page).text
    approved = world.operator.get(f"/rollouts/{number}/plan")
    assert [node["verbs"] for node in approved.json()["nodes"]] == [
        ["manage", "inspect", "provide", "deploy"]
    ]
    assert "hunter2" not in approved.text


def test_rows_can_be_asked_for_by_state(rack: World) -> None:
    number = apply(rack, site(rack, state="available"), max_parallel=1)
    (running,) = rack.operator.get(f"/rollouts/{number}?state=running").json()["nodes"]
    assert (running["name"], running["verb"], running["step"]) == ("node-1", "manage", "verify_credentials")
    found = rack.operator.get(f"/rollouts/{number}?state=running&state=pending").json()["nodes"]
    assert len(found) == 4
    assert rack.operator.get(f"/rollouts/{number}?state=nowhere").status_code == 422


def test_advancing_when_nothing_is_under_way_changes_nothing(rack: World) -> None:
    apply(rack, site(rack, state="manageable"))
    rack.settle()
    before = snapshot(rack)
    rack.rollouts.advance()
    assert snapshot(rack) == before
    with pytest.raises(Conflict):
        rack.rollouts.stop(1, "bob")
    with rack.store.read() as tx:
        assert {row.state for row in tx.rollouts.rows(1)} == {RowState.DONE}
