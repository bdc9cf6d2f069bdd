"""Plan a site over the fleet as it is, and open the rollout that carries the plan out, if it still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from profiles.site import Site
from pxe.images import ImageError
from seed.declarations import Declarations, assigned
from seed.images import HostImage, Images
from seed.lifecycle import Lifecycle
from seed.plans import estimates
from seed.plans.plan import Options, Plan, Rollout, Verdict
from seed.plans.planning import Planner, Seen
from seed.plans.rollouts import Rollouts
from seed.store import Store, Transaction
from seed.store.errors import Conflict

TOLD = 10  # of many reasons


class Apply:
    """Says what would be done; does exactly that, or nothing."""

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        images: Images,
        declarations: Declarations,
        rollouts: Rollouts,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._images = images
        self._declarations = declarations
        self._rollouts = rollouts
        self._clock = clock

    def plan(self, site: Site, targets: Iterable[str], options: Options) -> Plan:
        """Changes nothing. Raises NotFound for an unknown target, Conflict when two nodes are one machine."""
        with self._store.read() as tx:
            return self._plan(tx, site, targets, options)

    def open(self, plan: Plan, options: Options, who: str) -> Rollout | None:
        """Store the declaration and begin; None when no machine has to be touched.

        Raises Conflict when the fleet is not what the plan was made for; then nothing has changed.
        """
        with self._store.write() as tx:
            now = self._plan(tx, plan.site, plan.targets, options)
            stuck = [node for node in now.nodes if node.verdict in (Verdict.BUSY, Verdict.BLOCKED)]
            _refuse("nothing was changed, because of", [f"node '{n.name}': {n.why}" for n in stuck])
            _refuse(_stale(plan), list(plan.changed(now)))
            if not now.pending:
                return None
            self._declarations.put(tx, plan.site, who, {node.node for node in now.nodes})
            rollout = self._rollouts.begin(tx, now, options, who)
        self._rollouts.wake()
        return rollout

    def _plan(self, tx: Transaction, site: Site, targets: Iterable[str], options: Options) -> Plan:
        nodes = tx.nodes.all()
        seen = Seen(
            at=self._clock(),
            nodes=nodes,
            declared=tx.documents.site(),
            images={name: self._image(name) for name in {host.image for host in site.filled()}},
            live=tx.runs.all_live(),
            newest=tx.history.newest_runs(),
            rollouts=tx.rollouts.under_way(),
            spans=estimates.learn(tx.history.spans()),
        )
        return Planner(self._lifecycle, site, assigned(site, nodes), seen).plan(targets, options)

    def _image(self, name: str) -> HostImage | ImageError:
        try:
            return self._images.image(name)
        except ImageError as error:
            return error


def _stale(plan: Plan) -> str:
    return (
        f"nothing was changed: the facts are not those of {plan.made_at:%Y-%m-%d %H:%M:%S} UTC, when the "
        "plan was made; make a new one"
    )


def _refuse(heading: str, reasons: list[str]) -> None:
    if reasons:
        more = f"; and {len(reasons) - TOLD} more" if len(reasons) > TOLD else ""
        raise Conflict(f"{heading}: {'; '.join(reasons[:TOLD])}{more}")
