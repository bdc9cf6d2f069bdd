"""An agent that exists only in memory. It remembers what it was told and wrote, and can be told to fail.

Behaves as ironic-python-agent 13.0.0 does on `/v1/commands/` (`api/app.py`, `extensions/*.py`,
`hardware.get_os_install_device`, `GenericHardwareManager.get_clean_steps`), traps included.
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
MIB = 1024**2
MISMATCH = "CLEAN_VERSION_MISMATCH"
MANAGER = "GenericHardwareManager"  # steps are listed by the hardware manager that has them
WRITE = "deploy.write_image_stream"  # as `history`, `faults` and `fates` name the step of our own manager

# Name, interface and priority of what the generic hardware manager offers (a part of it), kind by kind.
_OFFERED = {
    "clean": (
        ("erase_devices", "deploy", 10),
        ("erase_devices_metadata", "deploy", 99),
        ("erase_devices_express", "deploy", 0),
        ("clean_uefi_nvram", "deploy", 0),
        ("delete_configuration", "raid", 0),
        ("create_configuration", "raid", 0),
        ("burnin_cpu", "deploy", 0),
        ("burnin_disk", "deploy", 0),
        ("burnin_memory", "deploy", 0),
    ),
    "deploy": (("write_image_stream", "deploy", 0), ("inject_files", "deploy", 0)),
    "service": (("burnin_cpu", "deploy", 0), ("burnin_memory", "deploy", 0), ("write_image", "deploy", 0)),
}
_ARGSINFO = {
    "write_image_stream": {"mirror": {"description": "...", "required": False}},
    "clean_uefi_nvram": {"match_patterns": {"description": "...", "required": False}},
    "inject_files": {"files": {"description": "...", "required": False}},
}


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

    @property
    def deed(self) -> str:
        """What it is about: a deploy step by its own name, any other command by the command's."""
        if self.name != "deploy.execute_deploy_step":
            return self.name
        return f"{self.params['step']['interface']}.{self.params['step']['step']}"

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
class Taken:
    """A step that was taken: clean or service, its name, its arguments, the settings of the node."""

    kind: str
    name: str
    args: dict[str, Any]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Written:
    """An image on a disk: its checksum, and the config drive behind it as it was sent."""

    disk: str
    sha512: str
    configdrive: str | None


class FakeAgent:
    """One machine's agent, through all boots of its ramdisk.

    `polls`: how often a long command is seen running before it is done; None: until `finish`.
    `offered`: the steps that it lists, by kind; with `versions`, change it to have other hardware managers.
    What is on the disks (`written`, `erased`) and `taken` outlive `boot` and `lose_power`; all else does not.
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
        self.taken: list[Taken] = []
        self.rescued: str | None = None  # the password's hash, while the machine runs as a rescue system
        self.versions: dict[str, str] = dict(VERSIONS)
        self.offered = {kind: [_step(*step) for step in steps] for kind, steps in _OFFERED.items()}
        self.faults: dict[str, str] = {}  # command, or name of a step → what it fails with
        self.fates: dict[str, Callable[[], None]] = {}  # command → called when it starts
        self._node: dict[str, Any] | None = None

    # -- what happens to its machine -----------------------------------------------------------------

    def boot(self) -> None:
        """A ramdisk starts: no token, no command, no node is known yet."""
        self.lose_power()
        self.is_up = True

    def lose_power(self) -> None:
        """It falls silent and forgets; a write that was under way is cut off."""
        self.is_up = False
        self.rescued = None
        self.token = None
        self.told = []
        self._node = None

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
                command.result = _progress(command)
                if command.polls > self.polls:
                    self._carry_out(command)
        return httpx.Response(200, json={"commands": [command.document() for command in self.told]})

    def _run(self, body: dict[str, Any], *, wait: bool) -> httpx.Response:
        running = [command for command in self.told if command.status == "RUNNING"]
        if running:
            return _fault(409, f"Agent is busy: executing command {running[0].name.split('.')[-1]}")
        command = Told(body["name"], body["params"])
        self.told.append(command)
        self.history.append(command.deed)
        self.fates.get(command.deed, lambda: None)()
        if not self.is_up:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        if wait or command.name not in _LONG:
            self._carry_out(command)
        self.is_up = self.rescued is None
        return httpx.Response(200, json=command.document())

    # -- its commands ------------------------------------------------------------------------------------

    def _carry_out(self, command: Told) -> None:
        problem, status = self.faults.get(command.deed), "FAILED"
        try:
            if problem is None:
                command.result = getattr(self, _COMMANDS[command.name])(**command.params)
        except _Mismatch as error:
            problem, status = str(error), MISMATCH
        except (KeyError, LookupError) as error:
            problem = str(error)
        command.status = "SUCCEEDED" if problem is None else status
        command.result = command.result if problem is None else None
        if problem is not None:
            command.error = {
                "type": "CommandExecutionError",
                "code": 500,
                "message": "Command execution failed",
                "details": problem,
            }

    def _get_deploy_steps(self, node: dict[str, Any], ports: list[Any]) -> dict[str, Any]:
        self._node = node
        return self._offer("deploy")

    def _get_clean_steps(self, node: dict[str, Any], ports: list[Any]) -> dict[str, Any]:
        self._node = node
        return self._offer("clean")

    def _get_service_steps(self, node: dict[str, Any], ports: list[Any]) -> dict[str, Any]:
        self._node = node
        return self._offer("service")

    def _offer(self, kind: str) -> dict[str, Any]:
        versions = dict(self.versions)
        return {f"{kind}_steps": {MANAGER: self.offered[kind]}, "hardware_manager_version": versions}

    def _clean(self, node: dict[str, Any], ports: list[Any], step: Any, clean_version: Any) -> dict[str, Any]:
        return {"clean_result": self._take("clean", node, step, clean_version), "clean_step": step}

    def _service(
        self, node: dict[str, Any], ports: list[Any], step: Any, service_version: Any
    ) -> dict[str, Any]:
        return {"service_result": self._take("service", node, step, service_version), "service_step": step}

    def _deploy(
        self, node: dict[str, Any], ports: list[Any], step: Any, deploy_version: Any = None
    ) -> dict[str, Any]:
        if step["step"] == WRITE.rpartition(".")[2]:
            self._node = node
            result: Any = self._write(**step["args"])
        else:
            result = self._take("deploy", node, step, deploy_version)
        return {"deploy_result": result, "deploy_step": step}

    def _take(self, kind: str, node: dict[str, Any], step: Any, version: Any) -> Any:
        self._node = node
        if version != self.versions:
            raise _Mismatch("Hardware managers version mismatch, reload agent with correct version")
        name = step["step"]
        if name in self.faults:
            raise LookupError(self.faults[name])
        if name not in [offered["step"] for offered in self.offered[kind]]:
            raise LookupError(f"Could not find method {name}")
        self.taken.append(Taken(kind, name, step.get("args") or {}, node["driver_info"]))
        if not name.startswith("erase_devices"):
            return None
        self.erased += [disk.name for disk in self.disks]
        return {disk.name: None for disk in self.disks} if name == "erase_devices" else None

    def _finalize_rescue(self, rescue_password: str, *, hashed: bool) -> None:
        """It ends after its answer, so that nobody reaches its API any more."""
        if not hashed:
            raise LookupError("what was sent is a password, not its hash")
        self.rescued = rescue_password

    def _write(
        self,
        image: dict[str, Any],
        disk: dict[str, Any],
        configdrive: str | None = None,
        mirror: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """As pxe/build/agent/hardware.py does: disks must have the names and the serials of the order."""
        wanted = [each for each in (disk, mirror) if each is not None]
        for each in wanted:
            if (each["name"], each["serial"]) not in [(known.name, known.serial) for known in self.disks]:
                raise LookupError(f"{each['name']} with serial {each['serial']} is not here")
        self.written += [Written(each["name"], image["sha512"], configdrive) for each in wanted]
        return {"disk": disk, "mirror": mirror, "seconds": {"image": 20.5, "partitions": 1.5}}

    def _nothing(self, **_: Any) -> None:
        return None


class _Mismatch(Exception):
    """The steps were listed by other hardware managers."""


_LONG = (
    "deploy.execute_deploy_step",
    "clean.execute_clean_step",
    "service.execute_service_step",
    "image.install_bootloader",
)
_COMMANDS = {
    "clean.get_clean_steps": "_get_clean_steps",
    "clean.execute_clean_step": "_clean",
    "service.get_service_steps": "_get_service_steps",
    "service.execute_service_step": "_service",
    "deploy.get_deploy_steps": "_get_deploy_steps",
    "rescue.finalize_rescue": "_finalize_rescue",
    "deploy.execute_deploy_step": "_deploy",
    "standby.sync": "_nothing",
    "image.install_bootloader": "_nothing",
}


def _progress(command: Told) -> dict[str, Any] | None:
    if command.deed != WRITE:
        return None
    size = command.params["step"]["args"]["image"]["size"]
    return {"progress": {"bytes": min(command.polls * MIB, size), "of": size}}


def _step(name: str, interface: str, priority: int) -> dict[str, Any]:
    flags = {"reboot_requested": False, "abortable": not name.startswith("write_image")}
    step = {"step": name, "interface": interface, "priority": priority, **flags}
    return step | ({"argsinfo": _ARGSINFO[name]} if name in _ARGSINFO else {})


def _fault(status: int, words: str) -> httpx.Response:
    return httpx.Response(status, json={"faultcode": "Client", "faultstring": words})
