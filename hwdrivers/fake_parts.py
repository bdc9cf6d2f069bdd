"""The interfaces of a `FakeBMC`: each remembers what it was told, and fails as its BMC does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hwdrivers.credentials import Secret
from hwdrivers.errors import ProtocolError, Unsupported
from hwdrivers.interfaces import (
    Account,
    Component,
    LogEntry,
    MediaSlot,
    RAIDController,
    RAIDVolume,
    Sensor,
    Setting,
    TaskState,
)

if TYPE_CHECKING:
    from hwdrivers.fake import FakeBMC

Value = str | int | bool


class Part:
    """One interface of a BMC in memory."""

    def __init__(self, bmc: FakeBMC) -> None:
        self._bmc = bmc

    def _answer(self, action: str) -> None:
        self._bmc.answer(action)

    def _note(self, what: str) -> None:
        self._bmc.note(what)

    def _refuse(self, action: str, seen: str, advice: str) -> ProtocolError:
        return ProtocolError.at(self._bmc.address, action, seen, advice)


class FakeSensors(Part):
    """`readings` is what they say."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.readings: list[Sensor] = [Sensor("CPU Temp", "Temperature", 42.0, "Cel")]

    def read(self) -> tuple[Sensor, ...]:
        self._answer("read its sensors")
        return tuple(self.readings)


class FakeEventLog(Part):
    """`lines` is what it holds."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.lines: list[LogEntry] = [LogEntry("1", "Power supply AC lost", sensor="PSU1")]

    def entries(self) -> tuple[LogEntry, ...]:
        self._answer("read its event log")
        return tuple(self.lines)

    def clear(self) -> None:
        self._answer("clear its event log")
        self._note("event log cleared")
        self.lines = []


class FakeLED(Part):
    """`is_lit` None: it does not tell."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.is_lit: bool | None = False

    def lit(self) -> bool | None:
        self._answer("read its identify led")
        return self.is_lit

    def set(self, on: bool) -> None:
        self._answer("switch its identify led")
        self._note(f"led {'on' if on else 'off'}")
        self.is_lit = on


class FakeMedia(Part):
    """One CD drive and one USB stick."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.drives = [MediaSlot("Cd", ("CD", "DVD")), MediaSlot("Usb", ("USBStick",))]

    def slots(self) -> tuple[MediaSlot, ...]:
        self._answer("list its virtual drives")
        return tuple(self.drives)

    def attach(self, image: str, kind: str = "CD") -> MediaSlot:
        self._answer(f"insert {image}")
        for number, drive in enumerate(self.drives):
            if kind in drive.kinds:
                self._note(f"media {drive.id} {image}")
                self.drives[number] = replace(drive, image=image)
                return self.drives[number]
        there = ", ".join(kind for drive in self.drives for kind in drive.kinds)
        raise Unsupported.at(self._bmc.address, f"insert {image}", f"no drive takes {kind}", f"take {there}")

    def detach(self, kind: str | None = None) -> None:
        self._answer("eject its virtual drives")
        for number, drive in enumerate(self.drives):
            if drive.image is not None and (kind is None or kind in drive.kinds):
                self._note(f"media {drive.id} ejected")
                self.drives[number] = replace(drive, image=None)


class FakeBIOS(Part):
    """`known` is the registry with the values; what is staged counts when the machine is switched on."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.known = [
            Setting("BootMode", "Uefi", kind="Enumeration", allowed=("Uefi", "Bios")),
            Setting("LogicalProc", True, kind="Boolean"),
            Setting("MemFrequency", 2933, kind="Integer", lower=1600, upper=3200),
            Setting("SystemModel", "R1", kind="String", read_only=True),
        ]
        self._factory = {setting.name: setting.value for setting in self.known}
        self._staged: dict[str, Value | None] = {}

    def settings(self) -> tuple[Setting, ...]:
        self._answer("read its BIOS settings")
        told = [replace(each, pending=self._staged.get(each.name)) for each in self.known]
        return tuple(sorted(told, key=lambda setting: setting.name))

    def apply(self, values: Mapping[str, Value]) -> None:
        self._answer("change its BIOS settings")
        for name, value in values.items():
            self._check(name, value)
        self._note("bios " + " ".join(f"{name}={value}" for name, value in values.items()))
        self._staged.update(values)

    def reset(self) -> None:
        self._answer("reset its BIOS settings")
        self._note("bios reset")
        self._staged = dict(self._factory)

    def boot(self) -> None:
        """What firmware does first."""
        self.known = [replace(each, value=self._staged.get(each.name, each.value)) for each in self.known]
        self._staged = {}

    def _check(self, name: str, value: Value) -> None:
        known = {setting.name: setting for setting in self.known}.get(name)
        wrong = None
        if known is None:
            wrong = "there is no such setting"
        elif known.read_only:
            wrong = "it cannot be changed"
        elif known.allowed and value not in known.allowed:
            wrong = f"it takes {', '.join(known.allowed)}"
        elif known.upper is not None and not (isinstance(value, int) and value <= known.upper):
            wrong = f"it takes a number of at most {known.upper}"
        if wrong:
            raise self._refuse(f"set {name} to {value}", wrong, "see `node bios get`")


class FakeSecureBoot(Part):
    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.is_on = False

    def enabled(self) -> bool:
        self._answer("read whether Secure Boot is on")
        return self.is_on

    def set(self, on: bool) -> None:
        self._answer("switch Secure Boot")
        self._note(f"secure boot {'on' if on else 'off'}")
        self.is_on = on


@dataclass(frozen=True)
class FakeTask:
    monitor: str


@dataclass
class _Job:
    percent: int
    work: Callable[[], None]


class FakeTasks(Part):
    """Long jobs; each look finds one `stride` percent further, and does its work when it gets to 100."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.stride = 50
        self.at_once = False  # nothing is a long job: it is done when the call returns
        self.failure: str | None = None  # why jobs fail from now on
        self._jobs: list[_Job] = []

    def start(self, work: Callable[[], None]) -> FakeTask | None:
        if self.at_once:
            work()
            return None
        self._jobs.append(_Job(0, work))
        return FakeTask(f"/redfish/v1/TaskService/TaskMonitors/{len(self._jobs)}")

    def progress(self, monitor: str) -> TaskState:
        self._answer("follow a task")
        number = monitor.rpartition("/")[2]
        if not number.isdigit() or int(number) > len(self._jobs):
            raise self._refuse(f"follow {monitor}", "there is no such task", "look at what it did")
        job = self._jobs[int(number) - 1]
        if self.failure:
            return TaskState(done=True, percent=job.percent, failed=self.failure)
        if job.percent < 100:
            job.percent = min(100, job.percent + self.stride)
            if job.percent == 100:
                job.work()
        return TaskState(done=job.percent == 100, percent=job.percent, message="working")


class FakeRAID(Part):
    """`there` are the controllers; none until a test gives some."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.there: list[RAIDController] = []
        self._made = 0

    def controllers(self) -> tuple[RAIDController, ...]:
        self._answer("read its RAID controllers")
        return tuple(self.there)

    def create(self, controller: str, volume: RAIDVolume) -> FakeTask | None:
        self._answer(f"create {volume.name}")
        found = self._find(controller)
        taken = {disk for each in found.volumes for disk in each.disks}
        if clash := taken.intersection(volume.disks):
            raise self._refuse(f"create {volume.name}", f"{', '.join(clash)} is in a volume", "delete that")
        self._note(f"raid create {volume.name} level {volume.level} of {' '.join(volume.disks)}")
        self._made += 1
        smallest = min(disk.size_bytes or 0 for disk in found.disks if disk.id in volume.disks)
        made = replace(volume, id=f"Volume.{self._made}", size_bytes=volume.size_bytes or smallest)
        return self._bmc.tasks.start(lambda: self._put(controller, lambda volumes: (*volumes, made)))

    def delete(self, controller: str, volume: str) -> FakeTask | None:
        self._answer(f"delete {volume}")
        self._find(controller)
        self._note(f"raid delete {volume}")
        return self._bmc.tasks.start(
            lambda: self._put(controller, lambda all_: tuple(v for v in all_ if v.id != volume))
        )

    def _find(self, controller: str) -> RAIDController:
        for each in self.there:
            if each.id == controller:
                return each
        raise self._refuse(f"use {controller}", "there is no such controller", "see `node raid show`")

    def _put(
        self, controller: str, change: Callable[[tuple[RAIDVolume, ...]], tuple[RAIDVolume, ...]]
    ) -> None:
        self.there = [
            replace(each, volumes=change(each.volumes)) if each.id == controller else each
            for each in self.there
        ]


class FakeFirmware(Part):
    """An update makes `new_version` of what it is for, when its task is done."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.parts = [
            Component("BIOS", "System BIOS", "1.0", updateable=True),
            Component("BMC", "Baseboard Management Controller", "2.0", updateable=True),
        ]
        self.new_version = "9.9"

    def components(self) -> tuple[Component, ...]:
        self._answer("list its firmware")
        return tuple(self.parts)

    def update(self, image: str, targets: Sequence[str] = ()) -> FakeTask | None:
        self._answer(f"update its firmware from {image}")
        self._note(f"firmware {image} {' '.join(targets)}".rstrip())
        return self._bmc.tasks.start(lambda: self._write(targets))

    def progress(self, monitor: str) -> TaskState:
        return self._bmc.tasks.progress(monitor)

    def _write(self, targets: Sequence[str]) -> None:
        self.parts = [
            replace(part, version=self.new_version) if part.id in targets or not targets else part
            for part in self.parts
        ]


class FakeAccounts(Part):
    """The log-in of its credentials, and what a test adds."""

    def all(self) -> tuple[Account, ...]:
        self._answer("list its accounts")
        return (Account("2", self._bmc.credentials.username, "Administrator"),)

    def set_password(self, username: str, password: Secret) -> None:
        self._answer(f"change the password of {username}")
        if username != self._bmc.credentials.username:
            raise self._refuse(f"change the password of {username}", "no such account", "see its accounts")
        self._note(f"password of {username} changed")
        self._bmc.credentials = replace(self._bmc.credentials, password=password)
