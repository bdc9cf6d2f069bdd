"""Which node a machine that was discovered is, and how it becomes one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hwdrivers.address import BMCAddress
from seed.declarations import Declarations, new_node
from seed.discovery_login import FACTORY, Login
from seed.discovery_rows import Row, addresses
from seed.manifest import Manifest
from seed.model import Node
from seed.store import Store
from seed.store.errors import Conflict, NotFound


class Nodes:
    """The nodes as they were when the discovery began, and those that it enrolled."""

    def __init__(
        self, store: Store, declarations: Declarations, who: str, *, enroll: bool, manifest: Manifest | None
    ) -> None:
        self._store = store
        self._declarations = declarations
        self._who = who
        self._enroll = enroll
        self._manifest = manifest
        with store.read() as tx:
            self._nodes = {node.bmc: node for node in tx.nodes.all()}
        # A service with one system is the same BMC with and without the system's path.
        self._by_service: dict[str, list[Node]] = {}
        for node in self._nodes.values():
            self._by_service.setdefault(_service(node.bmc), []).append(node)

    def at(self, bmcs: Iterable[str]) -> Node | None:
        """The node whose BMC answers at one of these addresses."""
        for bmc in bmcs:
            alone = self._by_service.get(bmc, [])
            found = self._nodes.get(bmc) or (alone[0] if len(alone) == 1 else None)
            if found is not None:
                return found
        return None

    def login(self, bmcs: Iterable[str]) -> Login | None:
        """With what its node is logged in to."""
        node = self.at(bmcs)
        if node is None:
            return None
        try:
            with self._store.read() as tx:
                return Login(node.credentials, tx.credentials.get(node.credentials))
        except NotFound:
            return None

    def settle(self, row: Row) -> Row:
        """The row with its node and what became of it."""
        known = self.at(addresses(row))
        if known is not None:
            return row | {"node": known.name, "outcome": "known"}
        if row["error"]:
            return row
        if not self._enroll or row["login"] is None:
            return row
        return row | self._enrolled(row)

    def _enrolled(self, row: Row) -> Row:
        if row["login"] == FACTORY:
            error = "only the password of the factory lets in: change it there, then `credentials add` it"
            return {"outcome": "conflict", "error": f"{row['address']}: {error}"}
        place = self._manifest.of(row) if self._manifest else None
        if self._manifest is not None and place is None:
            return {"outcome": "found"}
        twin = self._twin(row)
        if twin is not None:
            error = f"serial {row['serial']} is node '{twin.name}' already, whose BMC is {twin.bmc}"
            return {"outcome": "conflict", "error": f"{row['address']}: {error}"}
        node = replace(
            new_node(
                BMCAddress.parse(row["address"]), row["login"], place.node_name if place else _name(row)
            ),
            vendor=row["vendor"],
            model=row["model"],
            serial=row["serial"],
            bmc_firmware=row["firmware"],
            power=row["power"],
        )
        try:
            enrolled = self._declarations.enroll(node, self._who)
        except Conflict as error:
            return {"outcome": "conflict", "error": str(error)}
        self._nodes[enrolled.bmc] = enrolled
        return {"node": enrolled.name, "outcome": "enrolled"}

    def _twin(self, row: Row) -> Node | None:
        """The same machine, enrolled by another address."""
        host = BMCAddress.parse(row["address"]).host
        for node in self._nodes.values() if row["serial"] else ():
            same = (node.serial, node.vendor) == (row["serial"], row["vendor"])
            if same and BMCAddress.parse(node.bmc).host != host:
                return node
        return None


def _service(bmc: str) -> str:
    return str(replace(BMCAddress.parse(bmc), path=None))


def _name(row: Row) -> str | None:
    """Several machines behind one host need names of their own; None: the host's will do."""
    address = BMCAddress.parse(row["address"])
    if address.path is None:
        return None
    system = address.path.rpartition("/")[2]
    return f"bmc-{address.host}-{system}".lower().replace(".", "-").replace(":", "-")
