"""A machine that lives by itself in a thread: it boots, calls the seed, and again when that got lost."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
from seed_machine import Machine

from hwdrivers.bmc import BootDevice, BootMode, PowerAction, PowerState

# Seconds. Hardware is some hundred times slower, and so is the seed's life between two kills.
FIRMWARE = 0.02
WRITE = 0.2
HEARTBEAT = 2.0
AGAIN = 0.05
WRITES = "deploy.execute_deploy_step"


@dataclass(frozen=True)
class Written:
    """One image on one disk, and the run that asked for it."""

    run: int
    serial: str | None


class LivingMachine(Machine):
    """What was done to it is remembered, whichever seed asked for it."""

    def __init__(self, number: int, ca: str, seeds: Sequence[str], random: Random, pace: float) -> None:
        """`seeds`: the base URLs of those that share the fleet; one of them answers. `pace` scales time."""
        super().__init__(number, boot_mode=BootMode.UEFI if number % 3 == 0 else BootMode.BIOS, ca=ca)
        self.address = f"127.1.0.{number}"
        self.agent.polls = None
        self.images: list[Written] = []
        self.first_boots: list[str] = []  # instances, each time that one boots which has not called home
        self.lock = threading.RLock()
        self._random = random
        self._pace = pace
        self._boot = 0
        self._called_home = ""
        self._stirred = threading.Event()
        self._ended = False
        self._seeds = [self._way(url) for url in seeds]
        self._thread = threading.Thread(target=self._exist, name=self.name, daemon=True)

    def _way(self, url: str) -> httpx.Client:
        transport = httpx.HTTPTransport(local_address=self.address)
        return httpx.Client(base_url=url, transport=transport, timeout=20)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended = True
        self._stirred.set()
        self._thread.join()

    # -- what seeds ask of it ------------------------------------------------------------------------

    def ask_bmc(self, what: str, *arguments: Any) -> Any:
        with self.lock:
            before = self.bmc.power
            answer = getattr(self.bmc, what)(*arguments)
            if self.bmc.power is not before or arguments == (PowerAction.RESET,):
                self.agent.lose_power()
                self._boot += 1
                self._stirred.set()
            return answer

    def ask_agent(self, method: str, url: str, body: bytes) -> tuple[int, bytes]:
        with self.lock:
            answer = self.agent.handle(httpx.Request(method, url, content=body))
            if method == "POST" and self._runs_command():
                self._stirred.set()
        return answer.status_code, answer.content

    def press_power_button(self) -> None:
        """Somebody at the rack."""
        self.ask_bmc("request_power", PowerAction.ON)

    # -- what it does by itself ----------------------------------------------------------------------

    def _exist(self) -> None:
        while not self._ended:
            self._stirred.wait()
            self._stirred.clear()
            boot = self._boot
            if self.bmc.power is PowerState.ON:
                self._live(boot)

    def _live(self, boot: int) -> None:
        """Until the power goes, or nothing is left to do."""
        for pause in self._life(boot):
            self._stirred.wait(pause)
            self._stirred.clear()
            if boot != self._boot or self._ended:
                self._stirred.set()
                return

    def _life(self, boot: int) -> Iterator[float]:
        """Each pause is a moment at which power may be cut."""
        yield self._about(FIRMWARE)
        if "ipa-api-url" in (yield from self._what_to_boot()):
            self.boots.append("ramdisk")
            yield self._about(FIRMWARE)
            yield from self._ramdisk(boot)
        else:
            self.boots.append("disk")
            yield self._about(FIRMWARE)
            yield from self._system()

    def _what_to_boot(self) -> Generator[float, None, str]:
        if self.bmc.boots_from is BootDevice.DISK:
            return ""
        answer = yield from self._insist("GET", "/boot/script", params={"mac": self.mac})
        return answer.text

    def _ramdisk(self, boot: int) -> Iterator[float]:
        """As ironic-python-agent does: report, look up, then heartbeat, at once when a command has ended."""
        with self.lock:
            if boot != self._boot:
                return
            self.agent.boot()
        yield from self._insist("POST", "/v1/continue_inspection", json=self.reports)
        answer = yield from self._insist("GET", "/v1/lookup", params={"addresses": self.mac})
        found = answer.json()
        self.agent.token = found["config"]["agent_token"]
        while self.agent.rescued is None:
            yield from self._insist("POST", f"/v1/heartbeat/{found['node']['uuid']}", json=self._pulse())
            yield HEARTBEAT
            if self._runs_command():
                yield self._about(WRITE)
                self._finish(boot)

    def _pulse(self) -> dict[str, Any]:
        return {
            "callback_url": self.url,
            "agent_token": self.agent.token,
            "agent_version": "13.0.0",
            "agent_verify_ca": self.ca,
        }

    def _runs_command(self) -> bool:
        return any(command.status == "RUNNING" for command in self.agent.told)

    def is_writing(self) -> bool:
        """Whether an image is being written."""
        return any(each.status == "RUNNING" and each.name == WRITES for each in list(self.agent.told))

    def _finish(self, boot: int) -> None:
        with self.lock:
            if boot != self._boot:
                return
            images = len(self.agent.written)
            running = next(command for command in self.agent.told if command.status == "RUNNING")
            self.agent.finish()
            for written in self.agent.written[images:]:
                serial = next(disk.serial for disk in self.agent.disks if disk.name == written.disk)
                run = int(running.params["step"]["args"]["image"]["id"].rpartition("-")[2])
                self.images.append(Written(run, serial))

    def _system(self) -> Iterator[float]:
        """The operating system that was written last calls home, once in its life."""
        if not self.agent.written:
            return
        home, instance = self.first_boot_data()
        if instance == self._called_home:
            return
        self.first_boots.append(instance)
        yield from self._insist("POST", home, data={"instance_id": instance})
        self._called_home = instance

    def _insist(self, method: str, path: str, **more: Any) -> Generator[float, None, httpx.Response]:
        """Call until a seed takes it; each call may be lost on the way, or its answer on the way back."""
        while True:
            for seed in self._seeds:
                try:
                    answer = seed.request(method, path, **more)
                except httpx.TransportError:
                    continue
                yield 0
                if answer.is_success:
                    return answer
            yield self._about(AGAIN)

    def _about(self, seconds: float) -> float:
        return self._pace * seconds * self._random.uniform(0.2, 1.8)
