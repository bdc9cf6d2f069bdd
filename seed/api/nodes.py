"""Routes of nodes: enrol, look, change, and the verbs of the lifecycle."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict

from hwdrivers.address import BMCAddress
from hwdrivers.console_server import ConsoleServer
from hwdrivers.interfaces import Interface
from profiles.addresses import HostName, Mac
from pxe import network_data
from seed.api.context import Context, Who, node_view, run_view, summary_view
from seed.declarations import new_node
from seed.lifecycle import DECOMMISSIONED, ENROLL
from seed.model import BootInterface, Node
from seed.steps.record_evidence import EVIDENCE
from seed.store import Transaction
from seed.store.errors import Conflict

WITHOUT_HOST = ("enroll", "manageable", "available", DECOMMISSIONED)


class NewNode(BaseModel):
    """A machine to be enrolled."""

    model_config = ConfigDict(extra="forbid")
    bmc: str
    credentials: str
    name: HostName | None = None
    macs: tuple[Mac, ...] = ()


def _console(text: str) -> str:
    return str(ConsoleServer.parse(text))


def _bmc(text: str) -> str:
    return str(BMCAddress.parse(text))


NetworkData = Annotated[dict[str, Any], AfterValidator(network_data.check)]


class NodeChange(BaseModel):
    """What can be changed by hand: what is given, and nothing else; null forgets (RFC 7396)."""

    model_config = ConfigDict(extra="forbid")
    name: HostName = ""
    bmc: Annotated[str, AfterValidator(_bmc)] = ""
    credentials: str = ""
    macs: tuple[Mac, ...] = ()
    secure_boot: bool | None = None
    console: Annotated[str, AfterValidator(_console)] | None = None
    boot_interface: BootInterface = BootInterface.PXE
    ramdisk_network: NetworkData | None = None


class HandedOver(BaseModel):
    """What a hand-off made of a host, for the journal."""

    model_config = ConfigDict(extra="forbid")
    role: str | None
    said: str


def routes(context: Context) -> APIRouter:
    """The routes under /nodes."""
    router = APIRouter(prefix="/nodes", tags=["nodes"])
    _looking(router, context)
    _changing(router, context)
    _acting(router, context)
    return router


def _view(context: Context, key: str) -> dict[str, Any]:
    with context.store.read() as tx:
        node = tx.nodes.get(key)
        view = node_view(node, context.lifecycle, tx.runs.live(node.uuid), tx.documents.site())
        if node.state == DECOMMISSIONED:
            erased = tx.events.latest(node.uuid, prefixes=(EVIDENCE,))
            view["evidence"] = asdict(erased) if erased else None
        return view


def _looking(router: APIRouter, context: Context) -> None:
    @router.get("")
    def all_nodes(detail: bool = False, fields: str | None = None) -> Any:
        """A summary of each node; with `detail` all that is known, inventory included.

        `fields`: only these of the summary, separated by commas (as Ironic's API has it).
        """
        with context.store.read() as tx:
            if detail:
                live, site = tx.runs.all_live(), tx.documents.site()
                return [node_view(n, context.lifecycle, live.get(n.uuid), site) for n in tx.nodes.all()]
            if fields:
                return JSONResponse(tx.fleet.columns(fields.split(",")))
            rows = tx.fleet.summaries()
        # Plain values: the framework's own way to JSON takes ten times as long, which a fleet would notice.
        return JSONResponse([summary_view(row, context.lifecycle) for row in rows])

    @router.get("/{key}")
    def one(key: str) -> dict[str, Any]:
        return _view(context, key)


def _changing(router: APIRouter, context: Context) -> None:
    @router.post("", status_code=201)
    def enroll(new: NewNode, who: Who) -> dict[str, Any]:
        address = BMCAddress.parse(new.bmc)
        if address.scheme is None:
            raise Conflict(
                f"say how to speak to {new.bmc}: ipmi://{address.host} or redfish://{address.host}"
            )
        node = new_node(address, new.credentials, new.name, new.macs)
        enrolled = context.declarations.enroll(node, who)
        context.announce()
        return _view(context, enrolled.uuid)

    @router.patch("/{key}")
    def change(key: str, wanted: NodeChange, who: Who) -> dict[str, Any]:
        facts = wanted.model_dump(exclude_unset=True)
        with context.store.write() as tx:
            node = tx.nodes.get(key)
            if "credentials" in facts:
                tx.credentials.get(facts["credentials"])
            if "bmc" in facts:
                _check_bmc(tx, node, facts["bmc"])
            if facts.get("boot_interface") is BootInterface.VIRTUAL_MEDIA:
                _check_media(node)
            tx.nodes.update(node.uuid, **facts)
            tx.events.add("node.changed", f"changed by {who}: {', '.join(facts)}", node=node.uuid, who=who)
        context.announce()
        return _view(context, node.uuid)

    @router.delete("/{key}", status_code=204)
    def remove(key: str, who: Who) -> None:
        with context.store.write() as tx:
            node = tx.nodes.get(key)
            if node.state not in WITHOUT_HOST or tx.runs.live(node.uuid):
                raise Conflict(
                    f"node '{node.name}' is '{node.state}'; only an idle node without a host is removed"
                )
            tx.nodes.remove(node.uuid)
            tx.secrets.drop(node.uuid)
            tx.events.add("node.removed", f"'{node.name}' removed by {who}", node=node.uuid, who=who)
        context.announce()


def _check_bmc(tx: Transaction, node: Node, bmc: str) -> None:
    """Raises Conflict: whose BMC was proven gets no other one by hand."""
    if node.state != ENROLL:
        raise Conflict(
            f"node '{node.name}' is '{node.state}': its BMC answers at {node.bmc}, which is proven"
        )
    other = tx.nodes.by_bmc(bmc)
    if other is not None and other.uuid != node.uuid:
        raise Conflict(f"{bmc} is the BMC of node '{other.name}'")


def _check_media(node: Node) -> None:
    """Raises Conflict where it is known already that the BMC has no virtual media."""
    told = (node.abilities or {}).get(Interface.MEDIA.value)
    if told and not told["supported"]:
        why = told["detail"] or "it has none"
        raise Conflict(
            f"the BMC of '{node.name}' ({node.bmc}) cannot insert a boot ISO: {why}; use its redfish:// "
            "address where it has one, or leave its boot interface at pxe"
        )


def _acting(router: APIRouter, context: Context) -> None:
    @router.post("/{key}/verbs/{verb}", status_code=202)
    def act(key: str, verb: str, who: Who) -> dict[str, Any]:
        with context.store.read() as tx:
            node = tx.nodes.get(key)
        run = context.requests.request(context.requests.prepare(node, verb, who))
        return {"node": _view(context, node.uuid), "run": run_view(run) if run else None}

    @router.post("/{key}/handoff", status_code=204)
    def handed_over(key: str, said: HandedOver, who: Who) -> None:
        with context.store.write() as tx:
            node = tx.nodes.get(key)
            tx.events.add("handoff", f"{said.role or 'no role'}: {said.said}", node=node.uuid, who=who)
