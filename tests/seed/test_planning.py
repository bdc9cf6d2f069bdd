"""Plans: the way of each node, what it takes, what it destroys; pure functions of what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from seed_machine import DISKS, GIB

from hwdrivers.address import BMCAddress
from hwdrivers.inventory import Inventory
from profiles.hosts import State
from profiles.site import Site
from pxe.images import ImageError, ImageNotFound, OSImage, Ramdisk
from seed.declarations import assigned, new_node
from seed.lifecycle import ironic_39
from seed.model import Instance, Node, Run, RunState
from seed.plans import estimates
from seed.plans.differences import digest, digest_of
from seed.plans.plan import Act, NodePlan, Options, Plan, Verdict
from seed.plans.planning import Planner, Seen
from seed.store.errors import Conflict, NotFound

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
GRAPH = ironic_39()
IMAGES: Mapping[str, OSImage | ImageError] = {
    name: OSImage(name, Path("disk"), "qcow2", f"sha-of-{name}", 2 * GIB)
    for name in ("debian-12", "debian-13")
}
SPANS = estimates.learn(
    {
        "manage": [1.0] * 5,
        "inspect": [60.0, 70.0, 80.0],
        "provide": [10.0],
        "deploy": [200.0, 210.0, 220.0, 230.0, 240.0],
        "delete": [30.0],
        "decommission": [100.0],
    }
)


def node(number: int = 1, state: str = "available", **facts: Any) -> Node:
    new = new_node(BMCAddress.parse(f"ipmi://192.0.2.{number}"), "rack", f"node-{number}", ())
    facts = {"serial": f"S{number}", "inventory": Inventory(disks=DISKS), **facts}
    return replace(new, uuid=f"uuid-{number}", state=state, **facts)


def instance(site: Site, of: Node, **changed: Any) -> Instance:
    """As a deploy of `of` would have left it."""
    host = site.host_for(of.facts())
    network = site.networks.get(host.network)
    image = IMAGES[host.image]
    assert isinstance(image, OSImage)
    made = Instance(
        uuid="instance-1",
        image=image.name,
        sha512=image.sha512,
        hostname=host.hostname or of.name,
        address=host.address,
        role=host.role.value if host.role else None,
        ssh_host_key="ssh-ed25519 AAAA",
        host=host.model_dump(mode="json"),
        network=network.model_dump(mode="json") if network else None,
        root_device=host.root_device.model_dump(exclude_none=True) if host.root_device else None,
        disk_serial="DISK-B",
    )
    return replace(made, **changed)


def site(*hosts: dict[str, Any], **host: Any) -> Site:
    """A site of these hosts; without any, of one for node-1."""
    one = {"match": {"serial": "S1"}, "state": "active", "ssh_keys": ["ssh-ed25519 AAAA"], **host}
    networks = {"provisioning": {"cidr": "10.0.0.0/24"}, "other": {"cidr": "10.0.0.0/16"}}
    return Site.model_validate({"networks": networks, "hosts": list(hosts) or [one]})


def plan(wanted: Site, *nodes: Node, targets: tuple[str, ...] = (), **seen: Any) -> Plan:
    known = {"images": IMAGES, "spans": SPANS, "declared": wanted, **seen}
    whole = Seen(at=NOW, nodes=nodes, **known)
    return Planner(GRAPH, wanted, assigned(wanted, nodes), whole).plan(targets)


def one(wanted: Site, of: Node, **seen: Any) -> NodePlan:
    (found,) = plan(wanted, of, **seen).nodes
    return found


# -- the way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "wanted", "verbs"),
    [
        ("enroll", "manageable", ("manage",)),
        ("enroll", "available", ("manage", "provide")),
        ("enroll", "active", ("manage", "provide", "deploy")),
        ("available", "active", ("deploy",)),
        ("deploy failed", "active", ("deploy",)),
        ("clean failed", "available", ("manage", "provide")),
        ("active", "available", ("delete",)),
        ("active", "manageable", ("delete", "manage")),
        ("available", "available", ()),
        ("active", "active", ()),
    ],
)
def test_the_way_of_an_inspected_node(state: str, wanted: str, verbs: tuple[str, ...]) -> None:
    found = one(site(state=wanted), node(state=state))
    assert found.verbs == verbs
    assert found.verdict is (Verdict.CHANGE if verbs else Verdict.SO)


@pytest.mark.parametrize(
    ("state", "wanted", "verbs"),
    [
        ("enroll", "active", ("manage", "inspect", "provide", "deploy")),
        ("available", "active", ("manage", "inspect", "provide", "deploy")),
        ("inspect failed", "active", ("manage", "inspect", "provide", "deploy")),
        ("enroll", "available", ("manage", "provide")),
        ("deploy failed", "active", ("deploy",)),  # to look first would cost what is on its disks
    ],
)
def test_a_machine_that_gets_a_host_is_inspected_first(
    state: str, wanted: str, verbs: tuple[str, ...]
) -> None:
    assert one(site(state=wanted), node(state=state, inventory=None)).verbs == verbs


def test_every_way_can_be_walked_and_ends_where_it_should() -> None:
    for state in GRAPH.stable | GRAPH.failed:
        for wanted in State:
            for inventory in (None, Inventory(disks=DISKS)):
                found = one(site(state=wanted.value), node(state=state, inventory=inventory))
                if found.verdict is Verdict.BLOCKED:
                    continue
                at = state
                for verb in found.verbs:
                    at = GRAPH.landing(GRAPH.follow(at, verb))
                assert at == wanted or found.why, (state, wanted)


def test_where_no_way_leads_is_told() -> None:
    found = one(site(state="active"), node(state="decommissioned"))
    assert found.verdict is Verdict.BLOCKED
    assert found.why == "there is no way from 'decommissioned' to 'active' in this release"


def test_a_node_without_a_declared_state_stays_where_it_is() -> None:
    found = one(site(state=None), node(state="enroll"))
    assert (found.verdict, found.verbs, found.why) == (Verdict.SO, (), "no state is declared")


# -- an active host --------------------------------------------------------------------------------------


def active(declared: Site, **changed: Any) -> Node:
    return replace(node(), state="active", instance=instance(declared, node(), **changed))


def test_a_host_that_is_as_declared_is_left_in_peace() -> None:
    declared = site(address="10.0.0.11", hostname="web-1")
    found = one(declared, active(declared))
    assert (found.verdict, found.verbs, found.differs) == (Verdict.SO, (), ())
    assert not plan(declared, active(declared)).pending


@pytest.mark.parametrize(
    ("now", "differs"),
    [
        ({"image": "debian-13"}, "image: debian-12 → debian-13"),
        ({"hostname": "web-1"}, "host name: node-1 → web-1"),
        ({"address": "10.0.0.11"}, "address: by DHCP → 10.0.0.11"),
        ({"ssh_keys": ["ssh-ed25519 BBBB"]}, "SSH keys"),
        ({"user_data": {"packages": ["vim"]}}, "user data"),
        ({"root_device": {"serial": "DISK-A"}}, "disk: DISK-B → /dev/sda 20.0 GiB serial DISK-A"),
    ],
)
def test_a_host_that_is_declared_otherwise_is_rebuilt(now: dict[str, Any], differs: str) -> None:
    found = one(site(**now), active(site()))
    assert (found.verbs, found.differs) == (("rebuild",), (differs,))
    (act,) = found.acts
    assert act.serial == ("DISK-A" if "root_device" in now else "DISK-B")


def test_a_plan_tells_of_both_disks_of_a_software_raid() -> None:
    found = one(site(software_raid=True), node())
    assert [(act.does, act.serial) for act in found.acts] == [
        ("writes debian-12 over /dev/nvme0n1 10.0 GiB serial DISK-B", "DISK-B"),
        ("writes debian-12 over /dev/sda 20.0 GiB serial DISK-A", "DISK-A"),
    ]


def test_hints_that_mean_the_same_two_disks_are_no_difference() -> None:
    has = active(site(software_raid=True), disk_serial="DISK-A", mirror_serial="DISK-B")
    assert one(site(software_raid=True, root_device={"size": "< 100"}), has).verbs == ()
    found = one(site(root_device={"serial": "DISK-A"}), has)
    assert (found.verbs, found.differs) == (("rebuild",), ("software RAID",))


def test_an_image_that_was_built_anew_is_another_image() -> None:
    found = one(site(), active(site(), sha512="of the image before"))
    assert (found.verbs, found.differs) == (("rebuild",), ("image: debian-12 was built anew",))


@pytest.mark.parametrize(
    "now",
    [
        {"root_device": {"serial": "DISK-B"}},  # the disk that it is on
        {"macs": ["52:54:00:00:00:99"]},
        {"name": "another"},
    ],
)
def test_what_is_not_written_to_a_disk_rebuilds_nothing(now: dict[str, Any]) -> None:
    assert one(site(**now), active(site())).verbs == ()


def test_another_role_is_put_right_without_a_rebuild() -> None:
    found = one(site(role="kubernetes"), active(site()))
    assert (found.verbs, found.differs) == ((), ("role: none → kubernetes",))
    assert found.verdict is Verdict.CHANGE


LIVE = {"live": Ramdisk("live", Path("kernel"), Path("initramfs"), "sha-of-live")}
IN_MEMORY = {"image": "live", "deploy": "ramdisk"}


def test_a_host_in_memory_costs_no_disk() -> None:
    found = one(site(**IN_MEMORY), node(), images=LIVE)
    assert (found.verbs, found.acts) == (("deploy",), ())


def test_a_host_on_disk_becomes_one_in_memory_by_a_rebuild_that_ends_it() -> None:
    found = one(site(**IN_MEMORY), active(site()), images=LIVE)
    assert (found.verbs, found.differs) == (("rebuild",), ("image: debian-12 → live", "deploy method"))
    assert [act.does for act in found.acts] == ["ends what runs there, for live; no disk is written"]


@pytest.mark.parametrize(
    ("host", "facts", "why"),
    [
        ({"image": "debian-12", "deploy": "ramdisk"}, {}, "debian-12 is an OS image, which deploy: ramdisk"),
        ({"image": "live"}, {}, "live is a ramdisk, which deploy: direct"),
        (IN_MEMORY, {"secure_boot": True}, "not supported with Secure Boot"),
    ],
)
def test_what_cannot_be_in_memory_is_planned_for_nobody(
    host: dict[str, Any], facts: dict[str, Any], why: str
) -> None:
    found = one(site(**host), node(**facts), images={**IMAGES, **LIVE})
    assert (found.verdict, found.verbs) == (Verdict.BLOCKED, ())
    assert why in (found.why or "")


def test_a_host_whose_image_is_gone_runs_on() -> None:
    missing: Mapping[str, OSImage | ImageError] = {"debian-12": ImageNotFound("No image debian-12")}
    assert one(site(), active(site()), images=missing).verdict is Verdict.SO


def test_a_host_that_was_adopted_is_not_judged() -> None:
    assert one(site(), node(state="active")).verdict is Verdict.SO


# -- what is left alone ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (
            {"protected": True, "protected_reason": "the database"},
            "it is protected (the database) and 'deploy' destroys data",
        ),
        ({"retired": True}, "it is retired (no reason given) and gets no new instance"),
        ({"maintenance": True, "maintenance_reason": "a dead fan"}, "in maintenance: a dead fan"),
    ],
)
def test_flags_keep_a_node_from_being_touched(facts: dict[str, Any], why: str) -> None:
    found = one(site(), node(**facts))
    assert (found.verdict, found.why, found.verbs, found.acts) == (Verdict.LEFT, why, (), ())
    assert not found.pending


def test_a_protected_node_is_still_brought_where_nothing_is_lost() -> None:
    assert one(site(state="manageable"), node(protected=True)).verbs == ("manage",)


def test_a_retired_node_can_still_be_given_up() -> None:
    assert one(site(state="manageable"), node(state="active", retired=True)).verbs == ("delete", "manage")


@pytest.mark.parametrize(
    ("declared", "before", "differs", "verbs"),
    [
        ("a dead fan", {}, ("maintenance: on (a dead fan)",), ()),
        (True, {}, ("maintenance: on (as declared)",), ()),
        (True, {"maintenance": True, "maintenance_reason": "a dead fan"}, (), ()),
        (
            "a dead disk",
            {"maintenance": True, "maintenance_reason": "a dead fan"},
            ("maintenance: on (a dead disk)",),
            (),
        ),
        (False, {"maintenance": True}, ("maintenance: off",), ("deploy",)),
        (False, {}, (), ("deploy",)),
    ],
)
def test_maintenance_is_declared(
    declared: Any, before: dict[str, Any], differs: tuple[str, ...], verbs: tuple[str, ...]
) -> None:
    found = one(site(maintenance=declared), node(**before))
    assert (found.differs, found.verbs) == (differs, verbs)
    assert found.pending == bool(differs or verbs)


def run(number: int, step: str) -> Run:
    return Run(
        id=number,
        node="uuid-1",
        verb="deploy",
        who="bob",
        steps=(step,),
        return_to="active",
        state=RunState.WAITING,
        cursor=0,
        attempt=0,
        step_started_at=NOW,
        wake_at=NOW,
        created_at=NOW,
    )


@pytest.mark.parametrize(
    ("state", "seen", "why"),
    [
        ("deploying", {"live": {"uuid-1": run(12, "write_image")}}, "run 12 (deploy) is at write_image"),
        ("available", {"rollouts": {"uuid-1": 3}}, "rollout 3 has it: `undercloud rollout show 3`"),
        ("deploy hold", {}, "it is in 'deploy hold'"),
        ("wait call-back", {}, "it is in 'wait call-back'"),
    ],
)
def test_a_node_that_is_under_way_is_not_planned(state: str, seen: dict[str, Any], why: str) -> None:
    found = one(site(), node(state=state), **seen)
    assert (found.verdict, found.why, found.verbs) == (Verdict.BUSY, why, ())


# -- what is destroyed -----------------------------------------------------------------------------------


def test_each_irreversible_act_names_the_disk() -> None:
    assert one(site(), node(state="manageable")).acts == (
        Act(verb="provide", does="erases /dev/sda 20.0 GiB serial DISK-A", serial="DISK-A"),
        Act(verb="provide", does="erases /dev/nvme0n1 10.0 GiB serial DISK-B", serial="DISK-B"),
        Act(
            verb="deploy",
            does="writes debian-12 over /dev/nvme0n1 10.0 GiB serial DISK-B",
            serial="DISK-B",
        ),
    )


def test_disks_that_nobody_has_seen_are_said_to_be_so() -> None:
    assert [act.does for act in one(site(), node(state="enroll", inventory=None)).acts] == [
        "erases disks that were not inspected yet",
        "writes debian-12 over disks that were not inspected yet",
    ]


def test_a_machine_that_is_on_is_said_to_be_switched_off() -> None:
    (act, *_) = one(site(), node(state="manageable", inventory=None, power="power on")).acts
    assert act == Act(verb="inspect", does="switches it off, without asking what runs there")


def test_what_destroys_nothing_has_no_acts() -> None:
    assert one(site(state="manageable"), node(state="enroll")).acts == ()


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({"image": "debian-9"}, "No image debian-9"),
        ({"root_device": {"serial": "DISK-X"}}, "no disk fits the root device hints {'serial': 'DISK-X'}"),
        ({"root_device": {"min_size_gib": 5}}, "2 disks fit the root device hints {'min_size_gib': 5}"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is(now: dict[str, Any], why: str) -> None:
    images = {**IMAGES, "debian-9": ImageNotFound("No image debian-9")}
    found = one(site(**now), node(), images=images)
    assert found.verdict is Verdict.BLOCKED
    assert found.why is not None
    assert found.why.startswith(why)
    assert not found.verbs


# -- who is in it ----------------------------------------------------------------------------------------

THREE = (
    {"match": {"serial": "S1"}, "state": "active"},
    {"match": {"serial": "S2"}, "state": "active"},
    {"match": {"serial": "S9"}, "state": "active"},
)


def test_nodes_that_are_not_declared_and_hosts_that_are_not_enrolled_are_told() -> None:
    found = plan(site(*THREE), node(1), node(2), node(3))
    assert [each.name for each in found.nodes] == ["node-1", "node-2"]
    assert found.missing == ("serial S9",)
    assert found.undeclared == ("node-3",)


def test_targets_are_all_that_is_planned() -> None:
    nodes = node(1), node(2), node(3)
    assert [each.name for each in plan(site(*THREE), *nodes, targets=("node-2",)).nodes] == ["node-2"]
    with pytest.raises(NotFound, match="no node 'node-7'"):
        plan(site(*THREE), *nodes, targets=("node-7",))
    with pytest.raises(NotFound, match="node 'node-3': no declared host matches it"):
        plan(site(*THREE), *nodes, targets=("node-3",))


def test_a_serial_that_two_nodes_have_is_refused() -> None:
    with pytest.raises(Conflict, match=r"serial S1 is two nodes, 'node-1' .* and 'node-2'"):
        plan(site(), node(1), node(2, serial="S1"))


def test_a_declaration_that_is_not_the_seeds_yet_is_a_change() -> None:
    found = plan(site(state=None), node(), declared=Site())
    assert (found.declares, found.pending) == (True, True)
    assert not plan(site(state=None), node()).pending


# -- how long --------------------------------------------------------------------------------------------


def test_what_a_way_takes_is_learnt_with_its_spread() -> None:
    found = one(site(), node(state="manageable")).seconds
    assert found is not None
    assert (found.median, found.p10, found.p90, found.runs) == (230.0, 214.0, 246.0, 1)


def test_a_verb_without_history_makes_the_way_unknown() -> None:
    spans = {verb: taken for verb, taken in SPANS.items() if verb not in estimates.ALIKE}
    found = plan(site(), node(state="manageable"), spans=spans)
    assert found.nodes[0].seconds is None
    assert found.seconds is None


def test_a_verb_that_only_moves_a_node_takes_no_time() -> None:
    found = one(site(state="manageable"), node(), spans={}).seconds
    assert found is not None
    assert found.median == 0


@pytest.mark.parametrize(
    ("spans", "options", "seconds"),
    [
        ([], {}, 0.0),
        ([10.0, 10.0, 10.0], {}, 10.0),
        ([10.0, 10.0, 10.0], {"max_parallel": 2}, 20.0),
        ([30.0, 10.0, 10.0, 10.0], {"max_parallel": 2}, 30.0),
        ([10.0, 10.0, 10.0], {"canary": 1}, 20.0),
        ([10.0, None], {}, None),
    ],
)
def test_until_the_last_is_done(
    spans: list[float | None], options: dict[str, int], seconds: float | None
) -> None:
    assert estimates.until_done(spans, Options.model_validate(options)) == seconds


def test_percentiles_lie_between_what_was_seen() -> None:
    found = estimates.learn({"deploy": [5.0, 1.0, 3.0, 2.0, 4.0], "manage": []})
    assert set(found) == {"deploy", "rebuild"}  # they walk the same steps
    spread = found["rebuild"]
    assert (spread.median, spread.p10, spread.p90, spread.runs) == (3.0, 1.4, 4.6, 5)


# -- what it holds on to ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "seen", "words"),
    [
        ({"state": "manageable"}, {}, "node 'node-1': state was available, is manageable"),
        ({"serial": "S1", "bmc": "redfish://192.0.2.1"}, {}, "bmc was ipmi://192.0.2.1, is redfish://"),
        ({"inventory": None}, {}, "disks was /dev/nvme0n1 10.0 GiB serial DISK-B; /dev/sda 20.0 GiB serial"),
        ({"protected": True}, {}, "protected was False, is True"),
        ({}, {"newest": {"uuid-1": 7}}, "newest run was none, is 7"),
        ({}, {"rollouts": {"uuid-1": 7}}, "the way was deploy, would now be none"),
        (
            {},
            {"images": {"debian-12": OSImage("debian-12", Path("disk"), "qcow2", "other", 2 * GIB)}},
            "node 'node-1': its image is another, or what it would become",
        ),
    ],
)
def test_a_plan_is_void_when_a_fact_changes(facts: dict[str, Any], seen: dict[str, Any], words: str) -> None:
    before = plan(site(), node())
    (told,) = before.changed(plan(site(), node(**facts), **seen))
    assert words in told


def test_a_plan_stands_while_nothing_changes() -> None:
    spans = estimates.learn({"deploy": [1.0]})
    assert list(plan(site(), node()).changed(plan(site(), node(power="power on"), spans=spans))) == []


def test_a_plan_knows_who_came_and_who_went() -> None:
    two = site(*THREE)
    before, after = plan(two, node(1)), plan(two, node(2))
    assert list(before.changed(after)) == [
        "node 'node-1' is gone, or the declaration is not about it any more",
        "node 'node-2' is not in the plan, and the declaration is about it now",
    ]


def test_a_plan_survives_its_file() -> None:
    made = plan(site(), node(state="enroll", inventory=None), node(2))
    again = Plan.model_validate(made.document())
    assert again == made
    assert again.site.filled() == made.site.filled()
    assert list(made.changed(again)) == []


def test_what_was_planned_is_what_an_instance_is_made_of() -> None:
    declared = site(address="10.0.0.11")
    found = one(declared, node())
    image = IMAGES["debian-12"]
    assert isinstance(image, OSImage)
    assert found.becomes == digest_of(instance(declared, node()))
    host = declared.host_for(node().facts())
    assert found.becomes == digest(host, declared.networks["provisioning"], image)
    other = declared.networks["other"]
    assert digest(host, other, image) != found.becomes
    assert digest(host.model_copy(update={"state": None}), declared.networks["provisioning"], image) == (
        found.becomes
    )
