"""Inside of a seed: how it reaches machines that live in another process, and how it is told to die."""

from __future__ import annotations

import json
import os
import signal
import threading
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from hwdrivers.bmc import Endpoint
from hwdrivers.credentials import Secret
from seed.agent import AgentClient
from seed.model import Agent

ACTS = ("request_power", "set_boot_device")  # what changes a machine
READS = ("SELECT", "BEGIN", "PRAGMA")


class Fuse:
    """SIGKILL of this process, by itself, at the n-th place after `FOLDER/fuse` said n; idle until then.

    A place is before each commit that writes, and before each act on a machine. What comes after one of them
    is before the next: in between nothing happens that outlives the seed.
    """

    def __init__(self, folder: Path) -> None:
        self._order = folder / "fuse"
        self._epitaph = folder / "blown"
        self._left: int | None = None
        self._one_at_a_time = threading.Lock()

    def pass_by(self, place: str) -> None:
        with self._one_at_a_time:
            if self._left is None and self._order.exists():
                self._left = int(self._order.read_text())
                self._order.unlink()
            if self._left is None:
                return
            if self._left == 0:
                self._epitaph.with_suffix(".new").write_text(place)
                self._epitaph.with_suffix(".new").rename(self._epitaph)
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1

    def watch_commits(self) -> None:
        """Those of every store in this process that write anything."""

        def wrote(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
            if not statement.lstrip().startswith(READS):
                connection.info["wrote"] = True

        def ends(connection: sa.Connection) -> None:
            if connection.info.pop("wrote", False):
                self.pass_by("a commit")

        sa.event.listen(sa.Engine, "before_cursor_execute", wrote)
        sa.event.listen(sa.Engine, "commit", ends)


class Line:
    """The way to the machines; `bmc` and `agent` are what `compose` takes."""

    def __init__(self, address: Path, fuse: Fuse) -> None:
        self._address = str(address)
        self.fuse = fuse

    def ask(self, kind: str, whom: str, what: str, *arguments: Any) -> Any:
        """What the machine answers; raises what it raises."""
        with Client(self._address, "AF_UNIX") as connection:
            connection.send((kind, whom, what, arguments))
            answer = connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def bmc(self, endpoint: Endpoint) -> Any:
        bmc = FarBMC(self, endpoint)
        credentials = endpoint.credentials
        self.ask("bmc", str(endpoint.address), "connect", credentials.username, credentials.password.reveal())
        return bmc

    def answers_ssh(self, address: str) -> bool:
        return bool(self.ask("ssh", address, "greet"))

    def agent(self, agent: Agent, token: Secret) -> AgentClient:
        return AgentClient(agent, token, transport=FarAgent(self, agent.address))


class FarBMC:
    """A BMC as the seed sees it."""

    secure_boot = None  # it tells nothing of it

    def __init__(self, line: Line, endpoint: Endpoint) -> None:
        self._line = line
        self.address = endpoint.address

    def close(self) -> None:
        """Nothing is kept open."""

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            if name in ACTS:
                self._line.fuse.pass_by(f"{name} {arguments[0]}")
            return self._line.ask("bmc", str(self.address), name, *arguments)

        return call


class FarAgent(httpx.BaseTransport):
    """What carries requests to an agent."""

    def __init__(self, line: Line, address: str) -> None:
        self._line = line
        self._address = address

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        what = json.loads(body)["name"] if body else "listing"
        if what != "listing":
            self._line.fuse.pass_by(what)
        status, content = self._line.ask(
            "agent", self._address, what, request.method, str(request.url), bytes(body)
        )
        return httpx.Response(status, content=content)
