"""A seed put together over machines in memory, with a real store, both HTTP faces and a clock that stands."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from fastapi import FastAPI
from seed_clock import MovedClock
from seed_face import Face
from seed_machine import GIB, PASSWORD, Machine

from hwdrivers.agent_inventory import from_agent
from hwdrivers.bmc import BMC, Endpoint
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import Unreachable
from hwdrivers.governor import Governor, unpaced
from profiles.site import Site
from seed.agent import AgentClient
from seed.api import files as files_api
from seed.api import machines as machines_api
from seed.api import operators as operators_api
from seed.api.context import Context
from seed.arrivals import Arrivals
from seed.bmcs import BMCs
from seed.boot import Boot
from seed.boots import Boots
from seed.capture_files import CaptureFiles
from seed.captures import Captures
from seed.conductor import Conductor
from seed.consoles import Consoles
from seed.declarations import Declarations, new_node
from seed.host_boot import HostBoot
from seed.images import Images
from seed.instances import Instances
from seed.lifecycle import ironic_39
from seed.media import BootMedia
from seed.model import Agent, Event, Instance, Node, Run
from seed.plans.apply import Apply
from seed.plans.rollouts import Rollouts
from seed.ramdisk import Ramdisk
from seed.relays import Relays
from seed.requests import Requests
from seed.reservations import Reservations
from seed.step import Step
from seed.steps.adopt_instance import AdoptInstance
from seed.steps.agent_command import AgentCommand
from seed.steps.agent_step import AgentStep
from seed.steps.apply_bios import ApplyBIOS
from seed.steps.apply_raid import ApplyRAID
from seed.steps.boot_from_disk import BootFromDisk
from seed.steps.boot_host_ramdisk import BootHostRamdisk
from seed.steps.boot_ramdisk import BootRamdisk
from seed.steps.change_power import ChangePower
from seed.steps.check_image import CheckImage
from seed.steps.finalize_rescue import FinalizeRescue
from seed.steps.first_boot import FirstBoot
from seed.steps.forget_instance import ForgetInstance
from seed.steps.hold import Hold
from seed.steps.install_bootloader import InstallBootloader
from seed.steps.leave_ramdisk import LeaveRamdisk
from seed.steps.list_deploy_steps import ListDeploySteps
from seed.steps.list_steps import ListSteps
from seed.steps.power_off import PowerOff
from seed.steps.record_evidence import RecordEvidence
from seed.steps.record_inventory import RecordInventory
from seed.steps.restore_power import RestorePower
from seed.steps.shut_down import ShutDown
from seed.steps.update_firmware import UpdateFirmware
from seed.steps.verify_credentials import VerifyCredentials
from seed.steps.wait import Wait
from seed.steps.write_image import WriteImage
from seed.store import Store
from seed.wanted_steps import WantedStep

BASE_URL = "http://10.0.0.1:8080"
FILES_URL = "http://10.0.0.1:8081"
KEY = Fernet.generate_key()
KINDS = ("clean", "service")  # of the agent's own steps
PRIORITIES = {"deploy.erase_devices_metadata": 10, "deploy.erase_devices": 0}
BURN_IN = (WantedStep(step="burnin_cpu", args={"agent_burnin_cpu_timeout": 60}),)


class Killed(BaseException):
    """SIGKILL, as far as one process can play it: nothing catches it."""


class Fuse:
    """Kills at the `at`-th place that is passed; counts them."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.passed: list[str] = []

    def pass_by(self, place: str) -> None:
        self.passed.append(place)
        if self.at is not None and len(self.passed) == self.at + 1:
            raise Killed(place)

    @property
    def blown(self) -> bool:
        return self.at is not None and len(self.passed) > self.at


class FusedStore(Store):
    """A store whose seed may be killed after each write."""

    def __init__(self, *arguments: Any, fuse: Fuse, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._fuse = fuse

    def write(self) -> AbstractContextManager[Any]:
        return _Fused(super().write(), self._fuse)


class _Fused:
    def __init__(self, inner: AbstractContextManager[Any], fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __enter__(self) -> Any:
        return self._inner.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._inner.__exit__(*error)
        if error[0] is None:
            self._fuse.pass_by("a write")


class FusedBMC:
    """A BMC whose seed may be killed before and after each thing that it asks."""

    def __init__(self, bmc: BMC, fuse: Fuse) -> None:
        self._bmc = bmc
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bmc, name)
        if name not in ("request_power", "set_boot_device"):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._fuse.pass_by(f"before {name} {arguments}")
            answer = found(*arguments, **named)
            self._fuse.pass_by(f"after {name} {arguments}")
            return answer

        return call


class FusedTransport(httpx.BaseTransport):
    """The way to an agent, on which the seed may be killed before and after each request."""

    def __init__(self, transport: httpx.BaseTransport, fuse: Fuse) -> None:
        self._transport = transport
        self._fuse = fuse

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        what = json.loads(request.content)["name"] if request.content else "listing"
        self._fuse.pass_by(f"before {what}")
        answer = self._transport.handle_request(request)
        self._fuse.pass_by(f"after {what}")
        return answer


class World:
    """Machines, and the seed that runs over them; `start` again is a seed that was started anew."""

    def __init__(
        self, folder: Path, *machines: Machine, ca: str, where: Path | str, fast_track: bool = False
    ) -> None:
        self.folder = folder
        self.killed_at = "nowhere"
        self.clock = MovedClock()
        self.machines = machines
        self.fast_track = fast_track
        self.dhcp = True
        self.inspects = False
        self.media_dir = folder / "media"
        self.limits: dict[str, int] = {}
        self.images_dir = folder / "images"
        self.key = Fernet(KEY)
        for machine in machines:
            machine.ca = ca
            machine.fetch = self.fetch
        build_images(self.images_dir)
        self.where = where
        self.store = Store(where, self.key, clock=self.clock)
        self.images = Images(self.images_dir, FILES_URL, "ramdisk")
        self.start(Fuse())
        with self.store.write() as tx:
            tx.credentials.put("rack", Credentials("admin", Secret(PASSWORD)))

    # -- the seed ------------------------------------------------------------------------------------

    def start(self, fuse: Fuse, name: str = "seed") -> None:
        """Put a seed together on what the disk has."""
        self.fused = fused = FusedStore(self.where, self.key, clock=self.clock, fuse=fuse)
        self.instances = Instances(fused, self.images, BASE_URL)
        self.reservations = Reservations(fused, self.folder / "dnsmasq.hosts", lambda: None)
        ramdisk = Ramdisk(fused, lambda agent, token: self._agent(agent, token, fuse), clock=self.clock)
        self.governor = Governor(unpaced(self._plain))
        self.bmcs = BMCs(fused, lambda endpoint: self._bmc(endpoint, fuse))
        self.consoles, self.captured = Consoles(self.bmcs), CaptureFiles(self.folder / "consoles")
        self.captures = Captures(fused, self.consoles, self.captured, name=name, clock=self.clock)
        steps = self._steps(fused, self.bmcs, ramdisk)
        self.conductor = Conductor(
            fused,
            ironic_39(),
            {step.name: step for step in steps},
            name=name,
            limits=self.limits,
            clock=self.clock,
            jitter=lambda: 0.5,
        )
        self.requests = Requests(
            fused, ironic_39(), self.conductor.advance, self.instances, self.conductor.wake
        )
        self.rollouts = Rollouts(fused, self.requests, self.instances)
        self.conductor.follow(self.rollouts.advance)
        self.applying = Apply(
            fused, ironic_39(), self.images, Declarations(fused), self.rollouts, clock=self.clock
        )
        self.__dict__.pop("operator", None)

    def reopen(self) -> None:
        """The store as a seed finds it that reads the key file now."""
        self.store = Store(self.where, self.key, clock=self.clock)
        self.start(Fuse())

    def close(self) -> None:
        self.store.close()
        self.fused.close()

    @cached_property
    def machines_app(self) -> FastAPI:
        """What it writes cannot blow the conductor's fuse."""
        boot, media = self._boot(self.store), self.media(self.store)
        ramdisk = Ramdisk(self.store, clock=self.clock)
        instances = Instances(self.store, self.images, BASE_URL)
        arrivals = Arrivals(self.store, Declarations(self.store), inspects=self.inspects)
        parts = (boot, media, ramdisk, instances, arrivals)
        return machines_api.create(self.store, *parts, BASE_URL, lambda: self.conductor.wake())

    def fetch(self, path: str) -> tuple[int, bytes]:
        """What a machine gets from the port of files: HTTP's status, and the body."""

        async def conversation() -> tuple[int, bytes]:
            async with TestClient(TestServer(files_api.create(self.boot, self.images))) as machine:
                answer = await machine.get(path)
                return answer.status, await answer.read()

        return asyncio.run(conversation())

    @cached_property
    def boot(self) -> Boot:
        return self._boot(self.store)

    def _boot(self, store: Store) -> Boot:
        arguments = ("console=ttyS0",)
        choices = {"files_url": FILES_URL, "inspects": self.inspects, "dhcp": self.dhcp}
        hosts = HostBoot(store, self.images, Instances(store, self.images, BASE_URL), BASE_URL, FILES_URL)
        return Boot(store, self.images, BASE_URL, arguments, hosts, **choices)

    def media(self, store: Store) -> BootMedia:
        return BootMedia(store, self.images, self._boot(store).told, self.media_dir, BASE_URL)

    @cached_property
    def faces(self) -> dict[str, Face]:
        """What each machine reaches the seed by, by its name."""
        return {machine.name: self.face_at(machine.address) for machine in self.machines}

    def face_at(self, address: str) -> Face:
        """What a machine at `address` reaches the seed by."""
        return Face(self.machines_app, BASE_URL, caller=address)

    @cached_property
    def operator(self) -> Face:
        """What the command reaches the seed by; made for the conductor that runs at its first use."""
        context = Context(
            "test",
            self.store,
            ironic_39(),
            self.requests,
            Declarations(self.store),
            Instances(self.store, self.images, BASE_URL),
            self.applying,
            self.rollouts,
            lambda: None,
            self.bmcs,
            self.governor,
            self.consoles,
            self.captured,
            Boots(clock=self.clock),
        )
        app = operators_api.create(context)
        return Face(app, "http://seed/v1", headers={"X-Undercloud-User": "alice"})

    def _steps(self, store: Store, bmcs: BMCs, ramdisk: Ramdisk) -> tuple[Step, ...]:
        agent = AgentCommand(bmcs, ramdisk, clock=self.clock)
        return (
            VerifyCredentials(bmcs),
            BootRamdisk(
                bmcs, ramdisk, self.images, self.reservations.refresh, self.media(store), dhcp=self.dhcp
            ),
            BootHostRamdisk(bmcs, ramdisk, self.instances, self.reservations.refresh, dhcp=self.dhcp),
            RecordInventory(ramdisk),
            LeaveRamdisk(bmcs, ramdisk, keep=self.fast_track),
            CheckImage(self.images),
            ListDeploySteps(ramdisk),
            WriteImage(ramdisk, agent, self.images, self.instances, Relays(store)),
            InstallBootloader(agent),
            BootFromDisk(bmcs, ramdisk),
            FirstBoot(bmcs, self.instances),
            PowerOff(bmcs, ramdisk),
            RestorePower(bmcs),
            ChangePower(bmcs, ramdisk, clock=self.clock),
            *(ApplyBIOS(bmcs), UpdateFirmware(bmcs), ApplyRAID(bmcs)),
            ForgetInstance(self.instances),
            ShutDown(bmcs, clock=self.clock),
            AdoptInstance(bmcs, self.instances),
            RecordEvidence(ramdisk),
            FinalizeRescue(store, ramdisk, self._answers_ssh),
            Hold(store),
            Wait(ramdisk, clock=self.clock),
            *(ListSteps(ramdisk, kind, priorities=PRIORITIES, burn_in=BURN_IN) for kind in KINDS),
            *(
                AgentStep(ramdisk, agent, kind, abortable=may)
                for kind in (*KINDS, "deploy")
                for may in (True, False)
            ),
        )

    def _answers_ssh(self, address: str) -> bool:
        return any(machine.address == address and machine.agent.rescued for machine in self.machines)

    def _plain(self, endpoint: Endpoint) -> BMC:
        for machine in self.machines:
            if machine.bmc.address == endpoint.address:
                return machine.bmc.connect(endpoint)
        raise Unreachable.at(endpoint.address, "log in", "no answer", "check the cable")

    def _bmc(self, endpoint: Endpoint, fuse: Fuse) -> Any:
        return FusedBMC(self._plain(endpoint), fuse)

    def _agent(self, agent: Agent, token: Secret, fuse: Fuse) -> AgentClient:
        found = next(machine for machine in self.machines if machine.url == agent.url)
        return AgentClient(agent, token, transport=FusedTransport(found.agent.transport(), fuse))

    # -- what operators and time do --------------------------------------------------------------------

    def enroll(self, machine: Machine | None = None, **more: Any) -> None:
        machine = machine or self.machines[0]
        body = {"bmc": str(machine.bmc.address), "credentials": "rack", "name": machine.name, **more}
        answer = self.operator.post("/nodes", json=body)
        assert answer.status_code == 201, answer.text

    def at(self, state: str, machine: Machine | None = None, **facts: Any) -> None:
        """Have a node in `state`, inspected, without walking there."""
        machine = machine or self.machines[0]
        known = from_agent(machine.reports)
        node = new_node(machine.bmc.address, "rack", machine.name, (machine.mac,))
        node = replace(node, state=state, serial=machine.serial, boot_mode=known.boot_mode)
        with self.store.write() as tx:
            tx.nodes.add(node)
            tx.nodes.update(node.uuid, inventory=known, **facts)

    def declare(self, *hosts: Mapping[str, Any]) -> None:
        """Declare hosts; without any, one for the first machine."""
        plain = {
            "match": {"name": self.machines[0].name},
            "image": "debian-12",
            "ssh_keys": ["ssh-ed25519 AAAA"],
        }
        site = {"networks": {"provisioning": {"cidr": "10.0.0.0/24"}}, "hosts": list(hosts) or [plain]}
        with self.store.write() as tx:
            tx.documents.put_site(Site.model_validate(site))

    def ask_all(self, verb: str, **asked: Any) -> list[dict[str, Any]]:
        """Have the operator's face take a verb for all machines, with args and secrets."""
        nodes = [machine.name for machine in self.machines]
        answer = self.operator.post(f"/verbs/{verb}", json={"nodes": nodes, **asked})
        assert answer.status_code == 202, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def ask_with(self, verb: str, *steps: str) -> None:
        """Have a verb taken with the agent's steps, written as the command takes them."""
        documents = [WantedStep.parse(step).model_dump() for step in steps]
        rows = self.ask_all(verb, args={"steps": documents})
        assert [row["error"] for row in rows] == [None] * len(rows)

    def take(self, verb: str, *steps: str) -> Node:
        """The same, and everything that follows from it."""
        self.ask_with(verb, *steps)
        self.settle()
        return self.node()

    def ask(self, verb: str, machine: Machine | None = None) -> httpx.Response:
        """Have the operator's face take a verb."""
        return self.operator.post(f"/nodes/{(machine or self.machines[0]).name}/verbs/{verb}")

    def request(self, verb: str, *steps: str, **secrets: str) -> None:
        """A verb without HTTP."""
        args = {"steps": [WantedStep.parse(step).model_dump() for step in steps]} if steps else {}
        hidden = {name.replace("_", "-"): Secret(secret) for name, secret in secrets.items()}
        self.requests.request(self.requests.prepare(self.node(), verb, "alice", args, hidden))

    def do(self, verb: str, machine: Machine | None = None) -> Node:
        """A verb that is accepted, and everything that follows from it."""
        answer = self.ask(verb, machine)
        assert answer.status_code == 202, answer.text
        self.settle()
        return self.node(machine)

    def settle(self, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until no run is under way, or `until` holds."""
        for _ in range(400):
            self.conductor.run_until_idle()
            if until():
                return
            moved = [machine.live(self.faces[machine.name]) for machine in self.machines]
            if any(moved):
                continue
            with self.store.read() as tx:
                due = tx.runs.next_wake()
            if due is None:
                return
            self.clock.move(due - self.clock())
        raise AssertionError("no end in sight:\n" + "\n".join(f"{e.kind} {e.message}" for e in self.events()))

    # -- how the world looks -----------------------------------------------------------------------------

    def node(self, machine: Machine | None = None) -> Node:
        with self.store.read() as tx:
            return tx.nodes.get((machine or self.machines[0]).name)

    def instance(self) -> Instance:
        found = self.node().instance
        assert found is not None
        return found

    def runs(self, machine: Machine | None = None) -> list[Run]:
        with self.store.read() as tx:
            return tx.runs.of_node(tx.nodes.get((machine or self.machines[0]).name).uuid)

    def events(self, kind: str = "") -> list[Event]:
        with self.store.read() as tx:
            return [event for event in tx.events.after(0, limit=10_000) if event.kind.startswith(kind)]

    def said(self, kind: str) -> list[str]:
        return [event.message for event in self.events(kind)]

    def states(self) -> list[str]:
        """The edges that were walked."""
        return self.said("state")

    def pass_time(self, **span: float) -> None:
        self.clock.move(timedelta(**span))


def build_images(folder: Path, *, virtual_size: int = 2 * GIB, live: bytes = b"a whole system") -> None:
    """Two ramdisks and an OS image of a few bytes, with the manifests that the build writes."""
    _image(folder, "ramdisk", "ramdisk", {"kernel": b"kernel", "initramfs": b"initramfs"}, {})
    size = {"disk_format": "qcow2", "virtual_size": virtual_size}
    _image(folder, "debian-12", "os", {"disk": b"a whole disk"}, size)
    in_memory = {"kernel": b"a kernel", "initramfs": live}
    _image(folder, "live", "ramdisk", in_memory, {"kernel_arguments": ["console=ttyS0", "quiet"]})


def _image(folder: Path, name: str, kind: str, parts: dict[str, bytes], more: dict[str, Any]) -> None:
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    for part, content in parts.items():
        (place / part).write_bytes(content)
    files = {
        part: {"sha512": hashlib.sha512(content).hexdigest(), "size": len(content)}
        for part, content in parts.items()
    }
    manifest = {
        "name": name,
        "kind": kind,
        "parts": {part: part for part in parts},
        "files": files,
        "size": sum(map(len, parts.values())),
        "built": "2026-11-22",
        "recipe": "none",
        **more,
    }
    (place / "manifest.json").write_text(json.dumps(manifest))
