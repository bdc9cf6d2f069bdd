"""An agent that exists only in memory. It remembers what it was told and wrote, and can be told to fail.

Behaves as ironic-python-agent 13.0.0 does on `/v1/commands/` (`api/app.py`, `extensions/base.py`,
`extensions/standby.py`, `hardware.get_os_install_device`), traps included.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from hwdrivers.inventory import Disk

VERSIONS = {"generic_hardware_manager": "1.2"}


@dataclass
class Told:
    """One command: its name in full as it was given, and what became of it."""

    name: str
    params: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))
    status: str = "RUNNING"
    error: dict[str, Any] | None = None
    result: Any = None
    polls: int = 0

    def document(self) -> dict[str, Any]:
        """As the agent tells it; the name is short, but for a command that failed before it started."""
        return {
            "id": self.id,
            "command_name": self.name.split(".")[-1],
            "command_status": self.status,
            "command_error": self.error,
            "command_result": self.result,
        }


@dataclass(frozen=True)
class Written:
    """An image on a disk: its checksum, and the config drive behind it as it was sent."""

    disk: str
    sha512: str
    configdrive: str | None


class FakeAgent:
    """One machine's agent, through all boots of its ramdisk.

    `polls`: how often a long command is seen running before it is done; None: until `finish`.
    What is on the disks (`written`, `erased`) outlives `boot` and `lose_power`; everything else does not.
    """

    def __init__(self, disks: tuple[Disk, ...], *, polls: int | None = 1) -> None:
        self.disks = disks
        self.polls = polls
        self.token: str | None = None
        self.is_up = False
        self.told: list[Told] = []  # in this boot
        self.history: list[str] = []  # names of all commands, in all boots
        self.written: list[Written] = []
        self.erased: list[str] = []  # names of disks, each time that they are
        self.faults: dict[str, str] = {}  # command → what it fails with
        self.fates: dict[str, Callable[[], None]] = {}  # command → called when it starts
        self._node: dict[str, Any] | None = None
        self._cached_image: str | None = None

    # -- what happens to its machine -----------------------------------------------------------------

    def boot(self) -> None:
        """A ramdisk starts: no token, no command, no node is known yet."""
        self.lose_power()
        self.is_up = True

    def lose_power(self) -> None:
        """It falls silent and forgets; a write that was under way is cut off."""
        self.is_up = False
        self.token = None
        self.told = []
        self._node = None
        self._cached_image = None

    def finish(self) -> None:
        """The command that runs is done."""
        for command in self.told:
            if command.status == "RUNNING":
                self._carry_out(command)

    def count(self, name: str) -> int:
        """How often a command was given, in all boots."""
        return self.history.count(name)

    # -- its HTTP interface ----------------------------------------------------------------------------

    def transport(self) -> httpx.MockTransport:
        """What carries requests to this agent."""
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; raises httpx.ConnectError while no ramdisk runs."""
        if not self.is_up:
            raise httpx.ConnectError("No route to host")
        if self.token is None or request.url.params.get("agent_token") != self.token:
            return _fault(401, "401 Unauthorized: Token invalid.")
        if request.method == "GET":
            return self._listing()
        return self._run(json.loads(request.content), wait=request.url.params.get("wait") == "true")

    def _listing(self) -> httpx.Response:
        for command in self.told:
            if command.status == "RUNNING" and self.polls is not None:
                command.polls += 1
                if command.polls > self.polls:
                    self._carry_out(command)
        return httpx.Response(200, json={"commands": [command.document() for command in self.told]})

    def _run(self, body: dict[str, Any], *, wait: bool) -> httpx.Response:
        running = [command for command in self.told if command.status == "RUNNING"]
        if running:
            return _fault(409, f"Agent is busy: executing command {running[0].name.split('.')[-1]}")
        command = Told(body["name"], body["params"])
        self.told.append(command)
        self.history.append(command.name)
        self.fates.get(command.name, lambda: None)()
        if not self.is_up:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        if wait or command.name not in _LONG:
            self._carry_out(command)
        return httpx.Response(200, json=command.document())

    # -- its commands ------------------------------------------------------------------------------------

    def _carry_out(self, command: Told) -> None:
        problem = self.faults.get(command.name)
        try:
            if problem is None:
                command.result = getattr(self, _COMMANDS[command.name])(**command.params)
        except (KeyError, LookupError) as error:
            problem = str(error)
        command.status = "SUCCEEDED" if problem is None else "FAILED"
        if problem is not None:
            command.error = {
                "type": "CommandExecutionError",
                "code": 500,
                "message": "Command execution failed",
                "details": problem,
            }

    def _get_steps(self, node: dict[str, Any], ports: list[Any]) -> dict[str, Any]:
        self._node = node
        return {"hardware_manager_version": VERSIONS}

    def _clean(self, node: dict[str, Any], ports: list[Any], step: Any, clean_version: Any) -> Any:
        if clean_version != VERSIONS:
            raise LookupError("Hardware managers version mismatch")
        self._node = node
        self.erased += [disk.name for disk in self.disks]
        return {"clean_result": None, "clean_step": step}

    def _prepare_image(self, image_info: dict[str, Any], configdrive: str | None = None) -> dict[str, str]:
        disk = self._install_device()
        if image_info["id"] != self._cached_image:  # the trap: an image written before is not written again
            self._cached_image = image_info["id"]
            self.written.append(Written(disk.name, image_info["os_hash_value"], configdrive))
        return {"result": f"prepare_image: image ({image_info['id']}) written to device {disk.name}"}

    def _install_device(self) -> Disk:
        """By the hints of the node that it was told last; without hints, the smallest from 4 GiB on."""
        hints = self._node["instance_info"].get("root_device", {}) if self._node else {}
        wanted = {key: value.removeprefix("s== ") for key, value in hints.items()}
        fitting = [d for d in self.disks if all(getattr(d, key) == value for key, value in wanted.items())]
        if not wanted:
            fitting = [d for d in fitting if (d.size_bytes or 0) >= 4 * 1024**3]
        if not fitting:
            raise LookupError(f"No suitable device was found for deployment using these hints {hints}")
        return min(fitting, key=lambda d: (d.size_bytes or 0, d.name))

    def _nothing(self, **_: Any) -> None:
        return None


_LONG = ("standby.prepare_image", "clean.execute_clean_step", "image.install_bootloader")
_COMMANDS = {
    "clean.get_clean_steps": "_get_steps",
    "clean.execute_clean_step": "_clean",
    "deploy.get_deploy_steps": "_get_steps",
    "standby.prepare_image": "_prepare_image",
    "standby.sync": "_nothing",
    "image.install_bootloader": "_nothing",
}


def _fault(status: int, words: str) -> httpx.Response:
    return httpx.Response(status, json={"faultcode": "Client", "faultstring": words})
