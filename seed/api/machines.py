"""What machines ask over HTTP: boot scripts and files, and the ramdisk agent's side of Ironic's API.

The agent's calls and payloads are those of ironic-python-agent 13.0.0 against Ironic's API 1.94.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from hwdrivers.agent_inventory import from_agent
from hwdrivers.credentials import Secret
from seed.api.bodies import refuse_body
from seed.api.booting import client, found
from seed.api.booting import routes as boot_routes
from seed.api.media import routes as media_routes
from seed.arrivals import Arrivals
from seed.boot import Boot
from seed.errors import StoreFailed
from seed.instances import Instances
from seed.lately import Lately
from seed.lifecycle import ENROLL
from seed.media import BootMedia
from seed.model import Node
from seed.ramdisk import HEARTBEAT_TIMEOUT, LookupRefused, Ramdisk
from seed.store import Store
from seed.store.errors import Conflict

log = logging.getLogger(__name__)

API_VERSION = {"id": "v1", "version": "1.94", "min_version": "1.1", "status": "CURRENT", "links": []}
REFUSALS, REFUSED_AGAIN = 256, 30.0  # journaled in so many seconds: agents that are sent away ask every few


class Heartbeat(BaseModel):
    """The body of POST /v1/heartbeat/{uuid}."""

    callback_url: str
    agent_token: str = Field(repr=False)
    agent_version: str | None = None
    agent_verify_ca: str | None = None


def create(
    store: Store,
    boot: Boot,
    media: BootMedia,
    ramdisk: Ramdisk,
    instances: Instances,
    arrivals: Arrivals,
    base_url: str,
    wake: Callable[[], None],
) -> FastAPI:
    """The application on the provisioning network; `wake` has the run looked at that a call is about."""
    app = FastAPI(title="undercloud, for machines", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RequestValidationError, refuse_body)
    app.add_exception_handler(StoreFailed, _ask_again)
    boot_routes(app, boot, base_url)
    media_routes(app, boot, media)
    _agent_routes(app, store, ramdisk, arrivals, wake)
    _host_routes(app, store, instances, wake)
    return app


def _ask_again(_: Request, error: Exception) -> JSONResponse:
    """Agents and cloud-init try again after a 503; what is wrong is the operator's business."""
    log.error("a machine was sent away: %s", error)
    return JSONResponse({"detail": "the seed's store does not answer"}, 503)


def _agent_routes(
    app: FastAPI, store: Store, ramdisk: Ramdisk, arrivals: Arrivals, wake: Callable[[], None]
) -> None:
    told = Lately(REFUSALS, REFUSED_AGAIN)

    @contextmanager
    def refusing(node: Node, address: str) -> Iterator[None]:
        try:
            yield
        except LookupRefused as error:
            words = f"an agent at {address}: {error}"
            if told.is_new((node.uuid, words)):
                with store.write() as tx:
                    tx.events.add("agent.refused", words, node=node.uuid)
            raise HTTPException(409, str(error)) from error

    @app.get("/")
    def root() -> dict[str, Any]:
        return {"name": "undercloud", "versions": [API_VERSION], "default_version": API_VERSION}

    @app.post("/v1/continue_inspection", status_code=202)
    def report(document: dict[str, Any], request: Request, system_uuid: str | None = None) -> dict[str, str]:
        inventory = from_agent(document)
        try:
            node = arrivals.node_of(inventory, system_uuid, client(request))
        except Conflict as error:
            raise HTTPException(409, str(error)) from error
        if node is None:
            raise HTTPException(404, "no node has any of these MACs")
        if node.state == ENROLL:  # no run waits for its report
            return {"uuid": node.uuid}
        with refusing(node, client(request)):
            ramdisk.reported(node, client(request), inventory)
        wake()
        return {"uuid": node.uuid}

    @app.get("/v1/lookup")
    def lookup(
        request: Request, addresses: Annotated[str, Query()] = "", node_uuid: str | None = None
    ) -> dict[str, Any]:
        node = _node_of(store, [mac for mac in addresses.lower().split(",") if mac])
        if node_uuid not in (None, node.uuid):
            raise HTTPException(404, "these MACs belong to another node")
        with refusing(node, client(request)):
            return _lookup_answer(node, ramdisk.lookup(node, client(request)))

    @app.post("/v1/heartbeat/{node_uuid}", status_code=202)
    def heartbeat(node_uuid: str, body: Heartbeat) -> None:
        node = _get(store, node_uuid)
        accepted = ramdisk.heartbeat(
            node,
            Secret(body.agent_token),
            url=body.callback_url.rstrip("/"),
            ca=body.agent_verify_ca,
            version=body.agent_version,
        )
        if not accepted:
            raise HTTPException(401, "this is not the agent that the node's ramdisk runs")
        wake()


def _host_routes(app: FastAPI, store: Store, instances: Instances, wake: Callable[[], None]) -> None:
    @app.post("/v1/phone-home/{node_uuid}")
    def home(node_uuid: str, request: Request, said: Annotated[str, Depends(_instance_id)]) -> None:
        node = _get(store, node_uuid)
        if wrong := instances.is_another(node, said, client(request)):
            raise HTTPException(403, wrong)
        instances.came_home(node)
        wake()


async def _instance_id(request: Request) -> str:
    """What cloud-init posts (application/x-www-form-urlencoded); only the config drive told it the id."""
    return parse_qs((await request.body()).decode(errors="replace")).get("instance_id", [""])[0]


def _lookup_answer(node: Node, token: Secret) -> dict[str, Any]:
    """What the agent needs to know: who it is, how often to call, and the token for its commands."""
    return {
        "node": {
            "uuid": node.uuid,
            "properties": {},
            "instance_info": {},
            "instance_uuid": None,
            "driver_internal_info": {},
        },
        "config": {
            "heartbeat_timeout": HEARTBEAT_TIMEOUT,
            "agent_token": token.reveal(),
            "agent_token_required": True,
            "agent_md5_checksum_enable": False,
            "disable_deep_image_inspection": False,
            "permitted_image_formats": ["raw", "qcow2"],
            "metrics": {"backend": "noop", "prepend_host": False, "prepend_uuid": False},
            "metrics_statsd": {},
        },
    }


def _get(store: Store, uuid: str) -> Node:
    with store.read() as tx:
        return found(lambda: tx.nodes.get(uuid))


def _node_of(store: Store, macs: list[str]) -> Node:
    with store.read() as tx:
        try:
            node = tx.nodes.by_macs(macs)
        except Conflict as error:
            raise HTTPException(409, str(error)) from error
    if node is None:
        raise HTTPException(404, "no node has any of these MACs")
    return node
