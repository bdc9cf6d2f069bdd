"""The rows of one discovery, beside those of the ones before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from hwdrivers.address import BMCAddress
from hwdrivers.scan import Plan
from hwdrivers.scan_machines import FoundMachine
from hwdrivers.targets import IPAddress
from seed.discovery_login import Told
from seed.discovery_nodes import Nodes
from seed.discovery_rows import (
    Row,
    addresses,
    change,
    find_moved,
    identities,
    is_same_machine,
    merged,
    remembered,
    row_of,
)
from seed.manifest import Manifest
from seed.store import Store


class Memory:
    """Not for two threads at once. `targets` and `plan` say what is asked, and so who can be gone."""

    def __init__(
        self,
        store: Store,
        nodes: Nodes,
        targets: Collection[IPAddress],
        plan: Plan,
        manifest: Manifest | None = None,
    ) -> None:
        self.rows: dict[str, Row] = {}
        self._store = store
        self._nodes = nodes
        self._manifest = manifest
        self._hosts = {str(target) for target in targets}
        self._ports = {*plan.ipmi_ports, *(port.number for port in plan.redfish_ports)}
        spoken = {"IPMI": plan.ipmi_ports, "Redfish": plan.redfish_ports}
        self._protocols = [protocol for protocol, ports in spoken.items() if ports]
        self._answered: set[str] = set()
        with store.read() as tx:
            self._before = {bmc: known.body for bmc, known in tx.discovered.all().items()}
        self._known = {a: bmc for bmc, body in self._before.items() for a in reversed(addresses(body))}
        self._records = dict(self._known)  # where each is kept by now
        self._by_address: dict[str, set[str]] = {}
        self._by_identity: dict[str, set[str]] = {}

    def last_login(self, machine: FoundMachine) -> str | None:
        """The name of what let us in the last time."""
        was = next((self._known[bmc] for bmc in _answering(machine) if bmc in self._known), None)
        login: str | None = self._before[was]["login"] if was else None
        return login

    def told(self, machine: FoundMachine, answers: Sequence[Told], mac: str | None) -> list[Row]:
        """The rows of a machine, saved and, where that is wished, enrolled."""
        self._answered.update(_answering(machine))
        return [self._row(row_of(machine, told, mac)) for told in answers]

    def _row(self, row: Row) -> Row:
        near = {address for key in identities(row) for address in self._by_identity.get(key, ())}
        twin = next(
            (self.rows[a] for a in near if a in self.rows and is_same_machine(self.rows[a], row)), None
        )
        if twin is not None:
            del self.rows[twin["address"]]
            row = merged(twin, row)
        return self._keep(self._nodes.settle(row))

    def further(self, machine: FoundMachine) -> list[Row] | None:
        """The rows of a machine that was told already and answers in another way too; None: a new one."""
        here = _answering(machine)
        rows = [self.rows[a] for bmc in here for a in sorted(self._by_address.get(bmc, ())) if a in self.rows]
        if not rows:
            return None
        self._answered.update(here)
        longer = []
        for row in {row["address"]: row for row in rows}.values():
            protocols = dict.fromkeys([*row["protocols"], *(found.protocol for found in machine.findings)])
            also = dict.fromkeys([*row["also"], *(a for a in here if a != _service(row["address"]))])
            if [*protocols] != row["protocols"] or [*also] != row["also"]:
                longer.append(self._keep(row | {"protocols": [*protocols], "also": [*also]}))
        return longer

    def _keep(self, row: Row) -> Row:
        before = self._previous(row)
        address: str = row["address"]
        row["change"] = change(before, row, self._protocols)
        records = dict.fromkeys(self._records[a] for a in _keys(row) if a in self._records)
        was = address if address in records else next(iter(records), None)
        with self._store.write() as tx:
            tx.discovered.put(address, remembered(before, row), was)
            tx.discovered.forget({*records, _service(address)} - {was, address})
        self._records.update(dict.fromkeys(_keys(row), address))
        self.rows[address] = row
        for bmc in [*addresses(row), _service(address)]:
            self._by_address.setdefault(bmc, set()).add(address)
        for key in identities(row):
            self._by_identity.setdefault(key, set()).add(address)
        return row

    def _previous(self, row: Row) -> Row | None:
        """What was told of it the last time."""
        was = next((self._known[bmc] for bmc in _keys(row) if bmc in self._known), None)
        return self._before[was] if was else None

    # -- the end

    def end(self) -> Iterator[dict[str, Any]]:
        """What only a whole scan can tell: who moved, who is gone, how all stands against the manifest."""
        missed = {bmc: body for bmc, body in self._before.items() if self._is_missed(bmc, body)}
        for row in list(self.rows.values()):
            moved = find_moved(row, missed) if row["change"] == "new" else None
            if moved is not None:
                del missed[moved]
                yield {"machine": self._moved(row, moved)}
        for bmc, body in missed.items():
            if self._was_asked(body) and not body.get("gone"):
                with self._store.write() as tx:
                    tx.discovered.mark_gone(bmc, body)
                yield {"gone": body | {"node": self._name_at(body), "outcome": "gone", "change": "gone"}}
        if self._manifest is not None:
            report = self._manifest.report(list(self.rows.values()))
            yield {"manifest": [verdict.document() for verdict in report]}

    def _is_missed(self, bmc: str, body: Row) -> bool:
        """Whether it did not answer; a system behind a service that answered is only not told."""
        return not ({*addresses(body), _service(bmc)} & self._answered)

    def _was_asked(self, body: Row) -> bool:
        where = [BMCAddress.parse(address) for address in addresses(body)]
        return all(address.host in self._hosts and address.port in self._ports for address in where)

    def _moved(self, row: Row, moved: str) -> Row:
        row["change"] = f"moved from {moved}"
        changed = change(self._before[moved] | {"gone": False}, row, ())
        row["change"] += f"; {changed}" if changed else ""
        with self._store.write() as tx:
            tx.discovered.put(row["address"], remembered(self._before[moved], row), moved)
        return row

    def _name_at(self, body: Row) -> str | None:
        node = self._nodes.at(addresses(body))
        return node.name if node else None


def _answering(machine: FoundMachine) -> list[str]:
    return [str(found.address) for found in machine.findings]


def _service(bmc: str) -> str:
    """The address without the system's path."""
    return bmc.partition("/redfish/v1/Systems/")[0]


def _keys(row: Row) -> list[str]:
    """By what a row is found again; the systems behind one BMC share all addresses but their own."""
    return [row["address"]] if _service(row["address"]) != row["address"] else addresses(row)
