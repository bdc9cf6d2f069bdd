"""What the operators' routes work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header

from hwdrivers.governor import Governor
from profiles.hosts import Deploy
from profiles.site import AmbiguousProfile, NoProfile, Site
from seed.bmcs import BMCs
from seed.boots import Boots
from seed.capture_files import CaptureFiles
from seed.consoles import Consoles
from seed.declarations import Declarations
from seed.instances import Instances
from seed.lifecycle import Lifecycle
from seed.model import Node, Run
from seed.plans.apply import Apply
from seed.plans.rollouts import Rollouts
from seed.requests import Requests
from seed.store import Store


@dataclass(frozen=True)
class Context:
    """The collaborators of the operators' routes, put together in the composition root."""

    name: str
    store: Store
    lifecycle: Lifecycle
    requests: Requests
    declarations: Declarations
    instances: Instances
    apply: Apply
    rollouts: Rollouts
    announce: Callable[[], None]
    """Tells DHCP at once whose MACs changed."""
    bmcs: BMCs
    governor: Governor
    consoles: Consoles
    captured: CaptureFiles
    boots: Boots


def _who(x_undercloud_user: Annotated[str, Header()] = "operator") -> str:
    return x_undercloud_user


Who = Annotated[str, Depends(_who)]


def node_view(node: Node, lifecycle: Lifecycle, run: Run | None, site: Site) -> dict[str, Any]:
    """A node as JSON: what is stored, the verbs that are possible now, and the run that is under way.

    `deploy`: how it is declared to be deployed; None where nothing is declared of it.
    """
    view = asdict(node)
    if node.instance:
        del view["instance"]["host"], view["instance"]["network"]  # may hold what users put into user data
        view["instance"]["deploy"] = node.instance.deploy
    view["deploy"] = _deploy(node, site)
    view["verbs"] = lifecycle.verbs(node.state)
    view["run"] = run_view(run) if run else None
    return view


def _deploy(node: Node, site: Site) -> Deploy | None:
    try:
        return site.host_for(node.facts()).deploy
    except (NoProfile, AmbiguousProfile):
        return None


def summary_view(row: dict[str, Any], lifecycle: Lifecycle) -> dict[str, Any]:
    """A node in a list as JSON: in the shape of `node_view`, with what tables and pollers want."""
    run = {key.removeprefix("run_"): row.pop(key) for key in [*row] if key.startswith("run_")}
    instance = {key: row.pop(key) for key in ("address", "role")}
    steps, cursor = run.pop("steps"), run.pop("cursor")
    return {
        **row,
        "instance": instance if any(instance.values()) else None,
        "verbs": lifecycle.verbs(row["state"]),
        "run": {**run, "step": steps[cursor]} if steps else None,
    }


def run_view(run: Run) -> dict[str, Any]:
    """A run as JSON, without what its steps remember."""
    view = {name: value for name, value in vars(run).items() if name != "memo"}
    times = {name: value.isoformat() for name, value in view.items() if isinstance(value, datetime)}
    return {**view, **times, "step": run.step}
