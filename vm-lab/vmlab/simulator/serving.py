"""The simulator's process: sockets, and the loop that serves them until it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from vmlab.errors import LabError
from vmlab.simulator import certificate
from vmlab.simulator.control import Control
from vmlab.simulator.fleet import Fleet
from vmlab.simulator.ipmi import responder
from vmlab.simulator.ipmi.server import IPMI
from vmlab.simulator.redfish.http import Connection
from vmlab.simulator.redfish.service import Service
from vmlab.simulator.settings import Settings

_BACKLOG = 65535  # as many as the kernel lets wait (net.core.somaxconn)


@asynccontextmanager
async def served(settings: Settings, control: Path) -> AsyncIterator[tuple[Fleet, dict[str, Any]]]:
    """The fleet, and what its control tells of it: block, ports, addresses."""
    fleet = Fleet(settings)
    _raise_open_files()
    async with contextlib.AsyncExitStack() as stack:
        serves = {
            "block": settings.block,
            "bmcs": len(fleet.members),
            "personality": ", ".join(face.name for face in fleet.personalities()),
            "username": settings.username,
            "tls": settings.tls,
            "ipmi_port": _ipmi(stack, settings, fleet),
            "redfish_port": await _redfish(stack, settings, fleet),
        }
        server = await _control(Control(fleet, serves), control)
        stack.callback(server.close)
        yield fleet, serves


async def _control(control: Control, path: Path) -> asyncio.AbstractServer:
    try:
        return await asyncio.start_unix_server(control.talk, str(path))
    except OSError as error:  # its path is too long, its folder not writable
        raise LabError(f"control socket {path}: {error.strerror or error}") from None


def _ipmi(stack: contextlib.AsyncExitStack, settings: Settings, fleet: Fleet) -> int | None:
    if settings.ipmi_port is None:
        return None
    sock = stack.enter_context(_bound(responder.bound, settings, settings.ipmi_port))
    responder.Responder(sock, fleet, IPMI(fleet))
    return int(sock.getsockname()[1])


async def _redfish(stack: contextlib.AsyncExitStack, settings: Settings, fleet: Fleet) -> int | None:
    if settings.redfish_port is None:
        return None
    services = {id(face): Service(fleet, face) for face in fleet.personalities()}
    tls = certificate.server_context() if settings.tls else None
    sock = _bound(_listening, settings, settings.redfish_port)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(fleet, services), sock=sock, backlog=_BACKLOG, ssl=tls
    )
    stack.callback(server.close)
    return int(sock.getsockname()[1])


def _bound(bind: Callable[[str, int], socket.socket], settings: Settings, port: int) -> socket.socket:
    try:
        return bind(_host(settings.block), port)
    except OSError as error:
        raise LabError(
            f"port {port}: {error.strerror}", do="Give another one; below 1024 needs root."
        ) from None


def _host(block: str) -> str:
    """One address, or all: which BMC is meant is told by each packet and connection."""
    network = IPv4Network(block, strict=False)
    return str(network.network_address) if network.num_addresses == 1 else "0.0.0.0"  # noqa: S104


def _listening(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it: a head and a body are one segment here, and no answer waits for an ACK.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind((host, port))
    return sock


def _raise_open_files() -> None:
    """Each Redfish connection is a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve(settings: Settings, control: Path, started: Callable[[dict[str, Any]], None]) -> Fleet:
    """Until SIGINT or SIGTERM; the fleet, for a summary."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with served(settings, control) as (fleet, serves):
        started(serves)
        await ended.wait()
    return fleet
