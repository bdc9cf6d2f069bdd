"""What would have to be done so that a site is as declared: a pure function of what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from typing import Any

from profiles.hosts import Deploy, Host, Network, State
from profiles.site import Assignment, Site
from pxe.images import ImageError, ImageNotFound, OSImage, Ramdisk
from seed import deploy_methods
from seed.declarations import aside, in_words
from seed.flags import refusal
from seed.images import HostImage
from seed.lifecycle import Lifecycle, Transition, VerbRefused
from seed.model import NextBoot, Node, Run
from seed.plans import estimates
from seed.plans.differences import digest, rebuilds
from seed.plans.plan import Act, NodePlan, Options, Plan, Seconds, Verdict
from seed.rendering import NotRenderable, rendered
from seed.steps.identity import NoSuchDisk, choose_disks, describe
from seed.store.errors import NotFound

DEPLOYS = "deploying"


@dataclass(frozen=True)
class Seen:
    """All that a plan is made from: the fleet, its runs, the images, what verbs took, what is declared."""

    at: datetime
    nodes: Sequence[Node]
    declared: Site
    images: Mapping[str, HostImage | ImageError] = field(default_factory=dict)
    live: Mapping[str, Run] = field(default_factory=dict)
    newest: Mapping[str, int] = field(default_factory=dict)
    """The number of each node's newest run."""
    rollouts: Mapping[str, int] = field(default_factory=dict)
    """The rollout that has a node."""
    spans: Mapping[str, Seconds] = field(default_factory=dict)


class Planner:
    """Plans one site over what was seen; changes nothing."""

    def __init__(self, lifecycle: Lifecycle, site: Site, hosts: Assignment, seen: Seen) -> None:
        self._lifecycle = lifecycle
        self._site = site
        self._hosts = hosts
        self._seen = seen
        self._between = cache(partial(lifecycle.path, cost=estimates.cost(seen.spans)))

    def plan(self, targets: Iterable[str] = (), options: Options | None = None) -> Plan:
        """Raises NotFound for a target that is no enrolled node, or that no declared host matches."""
        chosen = self._chosen(tuple(targets))
        nodes = tuple(self._node(node, self._hosts.hosts[node.uuid]) for node in chosen)
        going = [node.seconds.median if node.seconds else None for node in nodes if node.verbs]
        return Plan(
            made_at=self._seen.at,
            site=self._site,
            targets=tuple(targets),
            nodes=nodes,
            missing=tuple(host.criteria for host in self._hosts.missing),
            undeclared=tuple(n.name for n in self._seen.nodes if n.uuid not in self._hosts.hosts),
            declares=self._site.document() != self._seen.declared.document(),
            seconds=estimates.until_done(going, options or Options()),
        )

    def _chosen(self, targets: tuple[str, ...]) -> list[Node]:
        by_key = {n.name: n for n in self._seen.nodes} | {n.uuid: n for n in self._seen.nodes}
        for target in targets:
            if target not in by_key:
                raise NotFound(f"no node '{target}'")
            if by_key[target].uuid not in self._hosts.hosts:
                raise NotFound(f"node '{target}': no declared host matches it")
        wanted = {by_key[target].uuid for target in targets} or self._hosts.hosts.keys()
        return [node for node in self._seen.nodes if node.uuid in wanted]

    # -- one node ------------------------------------------------------------------------------------

    def _node(self, node: Node, host: Host) -> NodePlan:
        plan = NodePlan(
            node=node.uuid,
            name=node.name,
            state=node.state,
            wanted=host.state,
            verdict=Verdict.SO,
            differs=tuple(in_words(node, aside(node, host))),
            facts=facts(node, self._seen.newest.get(node.uuid)),
        )
        if words := self._busy(node):
            return plan.model_copy(update={"verdict": Verdict.BUSY, "why": words})
        if words := _maintenance(node, host):
            return plan.model_copy(update={"verdict": Verdict.LEFT, "why": words})
        if host.state is None:
            verdict = Verdict.CHANGE if plan.differs else Verdict.SO
            return plan.model_copy(update={"verdict": verdict, "why": "no state is declared"})
        try:
            return self._way(plan, node, host, host.state)
        except (VerbRefused, NoSuchDisk, ImageError, NotRenderable) as error:
            return plan.model_copy(update={"verdict": Verdict.BLOCKED, "why": str(error)})

    def _busy(self, node: Node) -> str | None:
        if (rollout := self._seen.rollouts.get(node.uuid)) is not None:
            return f"rollout {rollout} has it: `undercloud rollout show {rollout}`"
        if (run := self._seen.live.get(node.uuid)) is not None:
            return f"run {run.id} ({run.verb}) is at {run.step}"
        if node.state in self._lifecycle.transient | self._lifecycle.held:
            return f"it is in '{node.state}'"
        return None

    def _way(self, plan: NodePlan, node: Node, host: Host, wanted: State) -> NodePlan:
        reasons: tuple[str, ...] = ()
        path = self._path(node, wanted)
        if node.state == wanted == State.ACTIVE and node.instance:
            network, image = self._network(host), self._seen.images.get(host.image)
            reasons = tuple(rebuilds(node, node.instance, host, network, image))
            path = (self._lifecycle.follow(node.state, "rebuild"),) if reasons else ()
        if not path:
            return plan.model_copy(update={"verdict": Verdict.CHANGE if plan.differs else Verdict.SO})
        asked = replace(node, maintenance=False)  # what is declared of that was looked at before
        refusals = (refusal(asked, edge.event, destroys_data=edge.destructive) for edge in path)
        if words := next(filter(None, refusals), None):
            return plan.model_copy(update={"verdict": Verdict.LEFT, "why": f"it is {words}"})
        deploys = any(edge.target == DEPLOYS for edge in path)
        image = self._image(host) if deploys else None
        if deploys:
            if words := deploy_methods.refusal(node, host):
                return plan.model_copy(update={"verdict": Verdict.BLOCKED, "why": words})
            rendered(node, host)
        verbs = tuple(edge.event for edge in path)
        update = {
            "verdict": Verdict.CHANGE,
            "differs": plan.differs + reasons,
            "verbs": verbs,
            "acts": tuple(act for edge in path for act in _acts(edge, node, host, image)),
            "seconds": estimates.along(self._lasting(path), self._seen.spans),
            "becomes": digest(host, self._network(host), image) if image else None,
        }
        return plan.model_copy(update=update)

    def _path(self, node: Node, wanted: State) -> tuple[Transition, ...]:
        """The verbs to `wanted`; a machine that gets a host is inspected first, where that costs no data."""
        path = self._between(node.state, wanted)
        if node.inventory is not None or not any(edge.target == DEPLOYS for edge in path):
            return path
        try:
            before = self._between(node.state, State.MANAGEABLE)
        except VerbRefused:
            return path
        if any(edge.destructive for edge in before):
            return path
        look = self._lifecycle.follow(State.MANAGEABLE, "inspect")
        return (*before, look, *self._between(State.MANAGEABLE, wanted))

    def _lasting(self, path: Iterable[Transition]) -> list[str]:
        """The verbs that start a run; the others move a node at once."""
        return [edge.event for edge in path if edge.target in self._lifecycle.transient]

    def _image(self, host: Host) -> HostImage:
        found = self._seen.images[host.image]
        if isinstance(found, ImageError):
            raise found
        if isinstance(found, Ramdisk) is not (host.deploy is Deploy.RAMDISK):
            kind = "a ramdisk" if isinstance(found, Ramdisk) else "an OS image"
            raise ImageNotFound(f"{found.name} is {kind}, which deploy: {host.deploy} cannot take")
        return found

    def _network(self, host: Host) -> Network | None:
        return self._site.networks.get(host.network)


def facts(node: Node, newest_run: int | None) -> dict[str, Any]:
    """What a plan for this node holds on to: when one of these changes, the plan is void."""
    disks = sorted(describe(disk) for disk in node.inventory.disks) if node.inventory else None
    return {
        "name": node.name,
        "bmc": node.bmc,
        "serial": node.serial,
        "state": node.state,
        "maintenance": node.maintenance,
        "protected": node.protected,
        "retired": node.retired,
        "disks": disks,
        "instance": node.instance.uuid if node.instance else None,
        "newest run": newest_run,
    }


def _maintenance(node: Node, host: Host) -> str | None:
    """Why nothing is done to a node that is in maintenance, or is to be."""
    if host.maintenance is False or not (host.maintenance or node.maintenance):
        return None
    reason = host.maintenance if isinstance(host.maintenance, str) else node.maintenance_reason
    return f"in maintenance: {reason or 'no reason given'}"


def _acts(edge: Transition, node: Node, host: Host, image: HostImage | None) -> Iterator[Act]:
    """What taking this edge destroys."""
    if edge.event == "inspect" and node.power == "power on" and node.next_boot is not NextBoot.RAMDISK:
        yield Act(verb=edge.event, does="switches it off, without asking what runs there")
    if not edge.destructive:
        return
    if edge.target == DEPLOYS and isinstance(image, Ramdisk):
        if node.state == State.ACTIVE:
            yield Act(verb=edge.event, does=f"ends what runs there, for {image.name}; no disk is written")
        return
    does, disks = "erases", node.inventory.disks if node.inventory else None
    if edge.target == DEPLOYS and isinstance(image, OSImage):
        does = f"writes {image.name} over"
        if node.inventory:
            disks = choose_disks(node.inventory, host, image.virtual_size)
    if disks is None:
        yield Act(verb=edge.event, does=f"{does} disks that were not inspected yet")
    for disk in disks or ():
        yield Act(verb=edge.event, does=f"{does} {describe(disk)}", serial=disk.serial)
