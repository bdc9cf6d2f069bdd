"""What every driver promises, checked against real network peers that remember what was done to them."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import shutil
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from peers import PASSWORD, endpoint, ipmi_peer, ipmi_sim_peer, sushy_tools_peer, tree_peer, virtualbmc_peer
from stopped_clock import StoppedClock
from vmlab.simulator import Settings, Simulation

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, BootDevice, BootMode, Endpoint, PowerAction, PowerState
from hwdrivers.connect import connect
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import AccessDenied, BMCError, Unreachable, Unsupported
from hwdrivers.fake import FakeBMC, Fault
from hwdrivers.interfaces import Ability, Health, Interface, LogEntry, Sensor
from hwdrivers.inventory import Inventory
from hwdrivers.offers import ATTRIBUTES, offered
from hwdrivers.power import PowerStuck, ensure_power, power_cycle, shut_down


@dataclass
class Bench:
    """A machine to work on, and its memory of what happened to it."""

    address: str
    connect: Callable[[Endpoint], BMC]
    state: Callable[[], dict[str, Any]]
    boot_names: dict[BootDevice, str]

    def open(self) -> BMC:
        return self.connect(endpoint(self.address))


_IPMI_BOOT = {BootDevice.PXE: "network", BootDevice.DISK: "hd", BootDevice.CDROM: "optical"}
_REDFISH_BOOT = {BootDevice.PXE: "Pxe", BootDevice.DISK: "Hdd", BootDevice.CDROM: "Cd"}


@contextmanager
def _fake(folder: Path, faults: tuple[str, ...]) -> Iterator[Bench]:
    bmc = FakeBMC(
        credentials=Credentials("admin", Secret(PASSWORD)),
        macs=["52:54:00:00:00:01"],
        faults=[Fault(fault) for fault in faults],
    )

    def state() -> dict[str, Any]:
        power = "on" if bmc.power is PowerState.ON else "off"
        return {"power": power, "boot": bmc.boots_from, "logins": bmc.logins}

    yield Bench(str(bmc.address), bmc.connect, state, {device: device for device in BootDevice})


@contextmanager
def _ipmi(folder: Path, faults: tuple[str, ...]) -> Iterator[Bench]:
    with ipmi_peer(faults=faults) as peer:
        yield Bench(peer.address, connect, peer.state, _IPMI_BOOT)


@contextmanager
def _virtualbmc(folder: Path, faults: tuple[str, ...]) -> Iterator[Bench]:
    for library in ("virtualbmc", "libvirt"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed: pip install -e .[lab]")
    with virtualbmc_peer(faults=faults) as peer:
        boot = {BootDevice.PXE: "network", BootDevice.DISK: "hd", BootDevice.CDROM: "cdrom"}
        yield Bench(peer.address, connect, peer.state, boot)


@contextmanager
def _ipmi_sim(folder: Path, faults: tuple[str, ...]) -> Iterator[Bench]:
    if shutil.which("ipmi_sim") is None:
        pytest.skip("ipmi_sim is not installed: Debian's package openipmi has it")
    with ipmi_sim_peer(folder, faults=faults) as peer:
        # It knows no disk, and names the number that means a disk "default".
        boot = {BootDevice.PXE: "pxe", BootDevice.DISK: "default", BootDevice.CDROM: "cdrom"}
        yield Bench(peer.address, connect, peer.state, boot)


@contextmanager
def _sushy_tools(folder: Path, faults: tuple[str, ...]) -> Iterator[Bench]:
    if importlib.util.find_spec("sushy_tools") is None:
        pytest.skip("sushy-tools is not installed: pip install -e .[lab]")
    with sushy_tools_peer(folder, faults=faults) as peer:

        def state() -> dict[str, Any]:
            told: dict[str, Any] = peer.state()
            return {**told, "logins": told["refused"]}

        yield Bench(peer.address, connect, state, _REDFISH_BOOT)


@contextmanager
def _recorded(folder: Path, faults: tuple[str, ...]) -> Iterator[Bench]:
    with tree_peer("supermicro-x10", faults=faults) as peer:

        def state() -> dict[str, Any]:
            told: dict[str, Any] = peer.state()
            return {**told, "boot": (told["boot"] or {}).get("BootSourceOverrideTarget")}

        yield Bench(peer.address, connect, state, {**_REDFISH_BOOT, BootDevice.CDROM: "UsbCd"})


@cache
def _fleet() -> tuple[Simulation, Iterator[str]]:
    """A BMC for each test, all in one process."""
    simulation = Simulation(Settings(bmcs=1000, password=PASSWORD))
    atexit.register(simulation.close)
    return simulation, iter(simulation.addresses)


@contextmanager
def _simulated(scheme: str, faults: tuple[str, ...]) -> Iterator[Bench]:
    simulation, free = _fleet()
    where = next(free)
    for fault in faults:
        simulation.fault({"power stays": "power-stuck"}[fault], where)

    def state() -> dict[str, Any]:
        told = simulation.remembered(where)
        boot = told["boot"].get("BootSourceOverrideTarget")
        return {"power": told["power"], "boot": boot, "logins": ["admin"] * told["logins"]}

    address = simulation.ipmi(where) if scheme == "ipmi" else simulation.redfish(where)
    yield Bench(address, connect, state, _REDFISH_BOOT)


_KINDS = {
    "fake": _fake,
    "ipmi": _ipmi,
    "ipmi-virtualbmc": _virtualbmc,
    "ipmi-sim": _ipmi_sim,
    "ipmi-simulated": lambda _, faults: _simulated("ipmi", faults),
    "redfish-sushy-tools": _sushy_tools,
    "redfish-recorded": _recorded,
    "redfish-simulated": lambda _, faults: _simulated("redfish", faults),
}


@pytest.fixture(params=_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(kind: str, tmp_path: Path) -> Iterator[Bench]:
    with _KINDS[kind](tmp_path, ()) as bench:
        yield bench


def test_power_is_read_back_after_each_action(bench: Bench, clock: StoppedClock) -> None:
    bmc = bench.open()
    for state, word in ((PowerState.ON, "on"), (PowerState.OFF, "off")):
        assert ensure_power(bmc, state, clock=clock, sleep=clock.sleep) is True
        assert bmc.power_state() is state
        assert bench.state()["power"] == word
        assert ensure_power(bmc, state, clock=clock, sleep=clock.sleep) is False
    bmc.close()


def test_what_is_already_so_is_no_error(bench: Bench) -> None:
    bmc = bench.open()
    for action, word in (
        (PowerAction.OFF, "off"),
        (PowerAction.SOFT_OFF, "off"),
        (PowerAction.ON, "on"),
        (PowerAction.ON, "on"),
        (PowerAction.RESET, "on"),
    ):
        bmc.request_power(action)
        assert bmc.power_state().value == f"power {word}"
    bmc.close()


def test_a_reset_starts_a_machine_that_is_off(bench: Bench) -> None:
    bmc = bench.open()
    bmc.request_power(PowerAction.RESET)
    assert bmc.power_state() is PowerState.ON
    bmc.close()


def test_cycle_and_shut_down(bench: Bench, clock: StoppedClock) -> None:
    bmc = bench.open()
    power_cycle(bmc, clock=clock, sleep=clock.sleep)
    assert bench.state()["power"] == "on"
    assert shut_down(bmc, clock=clock, sleep=clock.sleep) is True
    assert bench.state()["power"] == "off"
    bmc.close()


@pytest.mark.parametrize("device", list(BootDevice))
def test_the_boot_device_is_set_in_the_world(bench: Bench, device: BootDevice) -> None:
    bmc = bench.open()
    bmc.set_boot_device(device)
    bmc.set_boot_device(device)
    assert bench.state()["boot"] == bench.boot_names[device]
    assert bmc.boot_device() in (device, None)
    bmc.close()


def test_identity_tells_what_is_known_and_none_for_the_rest(bench: Bench) -> None:
    bmc = bench.open()
    identity = bmc.identify()
    assert identity.power is PowerState.OFF
    for text in (identity.vendor, identity.model, identity.serial, identity.uuid, identity.firmware):
        assert text is None or text.strip() == text != ""
    assert bmc.address == BMCAddress.parse(bench.address)
    assert bmc.boot_mode() in (None, BootMode.BIOS, BootMode.UEFI)
    assert all(len(mac) == 17 and mac == mac.lower() for mac in bmc.macs())
    bmc.close()


def test_after_close_calls_are_refused_in_words(bench: Bench) -> None:
    bmc = bench.open()
    bmc.close()
    bmc.close()
    with pytest.raises(BMCError, match="closed here") as caught:
        bmc.power_state()
    assert not caught.value.retryable


def test_a_wrong_password_is_tried_once_and_shown_nowhere(bench: Bench) -> None:
    before = len(bench.state()["logins"])
    with pytest.raises(AccessDenied) as caught:
        bench.connect(endpoint(bench.address, password="battery staple"))
    assert len(bench.state()["logins"]) == before + 1
    assert not caught.value.retryable
    assert str(BMCAddress.parse(bench.address)) in str(caught.value)
    assert "correct the credentials" in str(caught.value)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(line for line in report.format() if "endpoint(bench.address, password=" not in line)
    assert "battery staple" not in shown


def test_no_log_shows_a_password(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        bench.open().close()
        with pytest.raises(AccessDenied):
            bench.connect(endpoint(bench.address, password="battery staple"))
    assert PASSWORD not in caplog.text
    assert "battery staple" not in caplog.text


def test_the_right_password_works_after_a_wrong_one(bench: Bench) -> None:
    with pytest.raises(AccessDenied):
        bench.connect(endpoint(bench.address, password="battery staple"))
    bmc = bench.open()
    assert bmc.power_state() is PowerState.OFF
    bmc.close()


def test_threads_may_share_a_conversation(bench: Bench) -> None:
    bmc = bench.open()
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: bmc.power_state(), range(64)))
    assert set(states) == {PowerState.OFF}
    bmc.close()


def test_power_that_stays_is_given_up_in_words(kind: str, tmp_path: Path, clock: StoppedClock) -> None:
    with _KINDS[kind](tmp_path, ("power stays",)) as bench:
        bmc = bench.open()
        with pytest.raises(PowerStuck, match="it stayed off for 35 s; look at the machine") as caught:
            ensure_power(bmc, PowerState.ON, timeout=35, clock=clock, sleep=clock.sleep)
        assert caught.value.retryable
        assert bench.address in str(caught.value)
        bmc.close()


@pytest.mark.usefixtures("no_new_sockets")
def test_nobody_there_and_nothing_left_behind(bench: Bench) -> None:
    bmc = bench.open()
    bmc.power_state()
    bmc.close()
    if isinstance(bmc, FakeBMC):
        bmc.faults.add(Fault.TIME_OUT)
        address = bench.address
    else:
        address = f"{bench.address.rpartition(':')[0]}:9"  # discard: nobody listens there
    with pytest.raises(Unreachable) as caught:
        bench.connect(endpoint(address))
    assert caught.value.retryable


# What reads each interface, for one who wants to know whether it is there.
_READS: dict[Interface, Callable[[Any], object]] = {
    Interface.SENSORS: lambda sensors: sensors.read(),
    Interface.EVENT_LOG: lambda log: log.entries(),
    Interface.LED: lambda led: led.lit(),
    Interface.MEDIA: lambda media: media.slots(),
    Interface.BIOS: lambda bios: bios.settings(),
    Interface.SECURE_BOOT: lambda secure_boot: secure_boot.enabled(),
    Interface.RAID: lambda raid: raid.controllers(),
    Interface.FIRMWARE: lambda firmware: firmware.components(),
    Interface.ACCOUNTS: lambda accounts: accounts.all(),
    Interface.CONSOLE: lambda console: console.open().close(),
}


def lacking_in_words(bmc: BMC, name: Interface) -> bool:
    """Whether the BMC has no such interface; then asserts that it is told why, in both ways."""
    interface, ability = getattr(bmc, ATTRIBUTES[name]), bmc.abilities()[name]
    if interface is None:
        assert not ability.supported
        with pytest.raises(Unsupported, match=f"cannot use its {name}: .+; .+"):
            offered(bmc.address, name, interface)
    if not ability.supported:
        assert ability.detail
    return not ability.supported


def test_abilities_name_every_interface(bench: Bench) -> None:
    bmc = bench.open()
    abilities = bmc.abilities()
    assert set(abilities) == set(Interface)
    assert all(isinstance(ability, Ability) for ability in abilities.values())
    assert abilities[Interface.POWER].supported
    assert bmc.power_state() is PowerState.OFF  # asking changed nothing
    bmc.close()


def test_what_is_said_to_be_there_can_be_read(bench: Bench) -> None:
    bmc = bench.open()
    for name, read in _READS.items():
        interface = getattr(bmc, ATTRIBUTES[name])
        if not lacking_in_words(bmc, name):
            read(interface)
        elif interface is not None:
            try:
                assert not read(interface)
            except Unsupported as error:
                assert str(bmc.address) in str(error)
    assert bmc.power_state() is PowerState.OFF
    bmc.close()


def test_sensors_are_typed(bench: Bench) -> None:
    bmc = bench.open()
    if not lacking_in_words(bmc, Interface.SENSORS):
        assert bmc.sensors is not None
        for sensor in bmc.sensors.read():
            assert isinstance(sensor, Sensor)
            assert sensor.name.strip() == sensor.name != ""
            for number in (sensor.value, sensor.low_critical, sensor.high_critical):
                assert number is None or isinstance(number, int | float)
            assert sensor.value is None or sensor.unit != ""
            assert sensor.health is None or isinstance(sensor.health, Health)
    bmc.close()


def test_the_event_log_is_read_and_cleared(bench: Bench) -> None:
    bmc = bench.open()
    if not lacking_in_words(bmc, Interface.EVENT_LOG):
        assert bmc.event_log is not None
        before = bmc.event_log.entries()
        assert all(isinstance(entry, LogEntry) and entry.message for entry in before)
        assert all(entry.at is None or entry.at.tzinfo is not None for entry in before)
        bmc.event_log.clear()
        after = {entry.message for entry in bmc.event_log.entries()}
        assert len(after) <= 1  # some write down that they were cleared
    bmc.close()


def test_the_led_is_switched_and_read_back(bench: Bench) -> None:
    bmc = bench.open()
    if not lacking_in_words(bmc, Interface.LED):
        assert bmc.led is not None
        for on in (True, False, False):
            try:
                bmc.led.set(on)
            except Unsupported:
                assert "not told whether" in bmc.abilities()[Interface.LED].detail
            else:
                assert bmc.led.lit() in (on, None)
    bmc.close()


def test_an_inventory_can_be_kept(bench: Bench) -> None:
    bmc = bench.open()
    inventory = bmc.inventory()
    assert Inventory.from_dict(inventory.to_dict()) == inventory
    identity = bmc.identify()
    assert (inventory.serial, inventory.uuid) == (identity.serial, identity.uuid)
    bmc.close()


def test_interfaces_end_with_their_conversation(bench: Bench) -> None:
    bmc = bench.open()
    interfaces = {name: getattr(bmc, ATTRIBUTES[name]) for name in _READS}
    bmc.close()
    for name, interface in interfaces.items():
        if interface is not None:
            with pytest.raises(BMCError, match="closed here"):
                _READS[name](interface)
