"""What operators ask of BMCs that may cost a host or its data: runs, beside the lifecycle's verbs.

Such a run moves no node in the graph. Nobody knows how it leaves the power until it says so, so nothing is
expected of it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from hwdrivers.interfaces import Interface
from seed import flags
from seed.lifecycle import DECOMMISSIONED, Lifecycle, VerbRefused
from seed.model import Node, Run
from seed.operations.bios import Value
from seed.operations.operation import Arguments, web_url
from seed.operations.target_raid import TargetRAID
from seed.store import Store, Transaction
from seed.store.errors import Conflict, NotFound

AT_ONCE = 200  # nodes in one transaction: other writers wait for less than a second
IDLE = ("manageable", "available")  # no host's data is on the disks


class BIOSValues(Arguments):
    """What is to be set; the names are the BMC's own."""

    values: dict[str, Value] = Field(min_length=1)

    @field_validator("values")
    @classmethod
    def _no_password(cls, values: dict[str, Value]) -> dict[str, Value]:
        if secret := [name for name in values if "password" in name.lower() or "passwd" in name.lower()]:
            raise ValueError(f"{', '.join(secret)}: a password would stand in the journal; set it on the BMC")
        return values


class Update(Arguments):
    """Which image, and for which components; `targets` () leaves the choice to the BMC."""

    image: Annotated[str, AfterValidator(web_url)]
    targets: tuple[str, ...] = ()


class Volumes(Arguments):
    """The volumes that are to be there; `lost`: what an operator agreed to lose of each node (its UUID).

    The words are those of `raid-plan`.
    """

    target: TargetRAID
    lost: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def for_node(self, uuid: str) -> dict[str, Any]:
        return {"target": self.target.model_dump(mode="json"), "lost": list(self.lost.get(uuid, ()))}


@dataclass(frozen=True)
class Kind:
    """A run of one step; `more` goes into its args besides what an operator gives."""

    step: str
    interface: Interface
    arguments: type[Arguments] = Arguments
    more: Mapping[str, Any] | None = None
    only_in: tuple[str, ...] = ()
    destroys_data: bool = False


def _power(action: str) -> Kind:
    return Kind("change_power", Interface.POWER, more={"action": action})


POWER = ("on", "off", "soft", "cycle", "reset")
KINDS: Mapping[str, Kind] = {
    **{f"power {action}": _power(action) for action in POWER},
    "bios set": Kind("apply_bios", Interface.BIOS, BIOSValues),
    "bios reset": Kind("apply_bios", Interface.BIOS),
    "firmware update": Kind("update_firmware", Interface.FIRMWARE, Update),
    "raid apply": Kind("apply_raid", Interface.RAID, Volumes, only_in=IDLE, destroys_data=True),
}


class BMCRuns:
    """Starts such runs, or refuses them and changes nothing."""

    def __init__(self, store: Store, lifecycle: Lifecycle, wake: Callable[[], None]) -> None:
        """`wake` has the conductor look at what was started."""
        self._store = store
        self._initial = lifecycle.initial
        self._wake = wake

    def start(self, keys: Sequence[str], verb: str, arguments: Arguments, who: str) -> list[Run | str]:
        """For each node (name or UUID) the run, or why there is none; `verb` is one of KINDS."""
        answers: list[Run | str] = []
        for first in range(0, len(keys), AT_ONCE):
            answers += self._start(keys[first : first + AT_ONCE], verb, arguments, who)
        self._wake()
        return answers

    def _start(self, keys: Sequence[str], verb: str, arguments: Arguments, who: str) -> list[Run | str]:
        with self._store.write() as tx:
            found = tx.nodes.named(keys)
            live = tx.runs.live_on([node.uuid for node in found.values()])
            taken: dict[str, Node] = {}
            refused: dict[str, str] = {}
            for key in keys:
                try:
                    node = self._free(found.get(key), key, live)
                    self._check(node, verb, KINDS[verb])
                    taken[key] = node
                except (Conflict, NotFound, VerbRefused) as refusal:
                    refused[key] = str(refusal)
            runs = self._open(tx, taken.values(), verb, arguments, who)
        return [runs[taken[key].uuid] if key in taken else refused[key] for key in keys]

    def _free(self, node: Node | None, key: str, live: Mapping[str, Run]) -> Node:
        if node is None:
            raise NotFound(f"no node '{key}'")
        if run := live.get(node.uuid):
            raise Conflict(f"node '{node.name}': run {run.id} ({run.verb}) is under way")
        return node

    def _check(self, node: Node, verb: str, kind: Kind) -> None:
        """Raise VerbRefused for what its state, its flags or its BMC do not allow."""
        about = f"node '{node.name}' is"
        if words := flags.refusal(node, verb, destroys_data=kind.destroys_data):
            raise VerbRefused(f"{about} {words}")
        if node.state == self._initial:
            raise VerbRefused(
                f"{about} not managed yet: `undercloud node manage {node.name}` checks its log-in"
            )
        if node.state == DECOMMISSIONED and verb != "power off":
            raise VerbRefused(f"{about} decommissioned, and never booted again; it can be powered off")
        if kind.only_in and node.state not in kind.only_in:
            raise VerbRefused(f"{about} '{node.state}'; '{verb}' is taken when {' or '.join(kind.only_in)}")
        ability = (node.abilities or {}).get(kind.interface.value)
        if ability and not ability["supported"]:
            raise VerbRefused(f"node '{node.name}': unsupported: {ability['detail'] or kind.interface}")

    def _open(
        self, tx: Transaction, nodes: Iterable[Node], verb: str, arguments: Arguments, who: str
    ) -> dict[str, Run]:
        """The runs by node; a node that is named twice gets one."""
        kind, uuids = KINDS[verb], list({node.uuid: None for node in nodes})
        wanted = []
        for uuid in uuids:
            args = {**arguments.for_node(uuid), **(kind.more or {})}
            wanted.append(tx.runs.new(uuid, verb, who, (kind.step,), args=args))
        runs = tx.runs.open_all(wanted)
        tx.nodes.clear_errors(uuids)
        for uuid in uuids:
            if kind.interface is Interface.POWER:
                tx.nodes.update(uuid, expected_power=None)
            tx.events.add("bmc.run", f"{verb}, by {who}", node=uuid, run=runs[uuid].id, who=who)
        return runs
