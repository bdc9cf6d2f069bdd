"""What the IPMI driver reads from and does to a real BMC simulator in C, and one that answers little."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from peers import PASSWORD, endpoint, ipmi_peer, ipmi_sim_peer

from hwdrivers.bmc import BootDevice, BootMode, Identity, PowerState
from hwdrivers.credentials import ANONYMOUS, Secret
from hwdrivers.errors import AccessDenied, BMCError, Busy, LogInRefused, ProtocolError, Unreachable
from hwdrivers.interfaces import Account, Health, Interface, Sensor
from hwdrivers.inventory import Device, Enclosure, Manager, MemoryModule, PowerSupply
from hwdrivers.ipmi.driver import IPMI

needs_ipmi_sim = pytest.mark.skipif(
    shutil.which("ipmi_sim") is None, reason="ipmi_sim is not installed: Debian's package openipmi has it"
)


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Any]:
    with ipmi_sim_peer(tmp_path) as peer:
        yield peer


@pytest.fixture
def bmc(peer: Any) -> Iterator[IPMI]:
    bmc = IPMI(endpoint(peer.address))
    yield bmc
    bmc.close()


@needs_ipmi_sim
def test_identity_takes_the_products_serial_never_the_chassis(bmc: IPMI) -> None:
    assert bmc.identify() == Identity(
        vendor="Contoso",
        model="Node 2000",
        serial="NODE-SERIAL-1",
        uuid="4c4c4544-0042-3510-8052-b4c04f4d4c32",
        firmware="9.08",
        power=PowerState.OFF,
    )


@pytest.mark.parametrize("command", ["10.16", "6.55", "12.2"])
def test_what_a_busy_bmc_does_not_tell_is_not_taken_for_absent(command: str) -> None:
    with ipmi_peer(codes={command: 0xC0}) as peer:
        bmc = IPMI(endpoint(peer.address))
        with pytest.raises(Busy, match="try again in a few seconds"):
            bmc.inventory()
        bmc.close()


@needs_ipmi_sim
def test_inventory_has_each_fru_device_in_its_place(bmc: IPMI) -> None:
    inventory = bmc.inventory()
    assert (inventory.vendor, inventory.product) == ("Contoso", "Node 2000")
    assert (inventory.part_number, inventory.asset_tag) == ("NP-1", "ASSET-9")
    assert inventory.enclosures == (
        Enclosure("Chassis", kind="Rack Mount Chassis", serial="CHASSIS-77", part_number="CP-1"),
    )
    assert inventory.power_supplies == (
        PowerSupply("PSU1", "Delta", "DPS-750", "PSU-SERIAL-1", "PP-1", capacity_watts=750.0),
    )
    assert inventory.memory_modules == (
        MemoryModule(
            "DIMM A1",
            16384,
            "DDR4",
            speed_mhz=2400,
            vendor="Samsung",
            part_number="M393A2G40DB1-CRC",
            serial="00c0ffee",
        ),
    )
    assert inventory.memory_mib == 16384
    assert inventory.devices == (
        Device(
            "Riser",
            kind="Add-in card",
            vendor="Contoso",
            model="Riser 2",
            part_number="RP-1",
            serial="RISER-1",
        ),
    )
    assert inventory.managers == (
        Manager(
            "BMC",
            kind="BMC",
            firmware="9.08",
            mac="52:54:00:ab:cd:ef",
            ipv4="192.0.2.7",
            gateway="192.0.2.1",
        ),
    )


def test_the_bmcs_own_network_with_vlan_and_ipv6() -> None:
    local, far = bytes.fromhex("fe80" + "00" * 13 + "07"), bytes.fromhex("20010db8" + "00" * 11 + "07")
    parameters = {
        "05": bytes.fromhex("525400abcdef"),
        "14": (0x8000 | 100).to_bytes(2, "little"),
        "38": bytes([0, 0]) + far + bytes([64, 1]),  # a static address that is not in use
        "3b00": bytes([0, 0]) + local + bytes([64, 0]),
        "3b01": bytes([1, 0]) + far + bytes([64, 0]),
    }
    answers = {f"12.2:01{key:0<4}00": [0x11, *value] for key, value in parameters.items()}
    with ipmi_peer(answers=answers) as peer:
        bmc = IPMI(endpoint(peer.address))
        (manager,) = bmc.inventory().managers
        assert (manager.mac, manager.vlan, manager.ipv6) == ("52:54:00:ab:cd:ef", 100, "2001:db8::7")
        assert (manager.ipv4, manager.gateway) == (None, None)
        bmc.close()


@needs_ipmi_sim
def test_sensors_in_their_units_with_thresholds_and_states_in_words(bmc: IPMI) -> None:
    assert bmc.sensors.read() == (
        Sensor("CPU1 Temp", "Temperature", 42.0, "Cel", None, Health.OK, 5.0, 95.0),
        Sensor("FAN1", "Fan", 6000.0, "RPM", None, Health.OK, 500.0, 12000.0),
        Sensor("12V", "Voltage", 12.0, "V", None, Health.OK, 10.8, 13.2),
        Sensor("CPU2 Temp", "Temperature"),  # it has no reading
        Sensor("PSU1 Status", "Power Supply", state="Present", health=Health.OK),
        Sensor("ME Health", "Management Subsystem Health"),  # behind another controller
    )


@needs_ipmi_sim
def test_the_event_log_names_sensors_and_has_times_once_the_clock_is_set(bmc: IPMI) -> None:
    early = bmc.event_log.entries()
    assert [(entry.id, entry.message, entry.sensor) for entry in early] == [
        ("1", "Upper critical", "CPU1 Temp"),
        ("2", "Failure", "PSU1 Status"),
    ]
    assert {entry.severity for entry in early} == {Health.CRITICAL}
    assert {entry.at for entry in early} == {None}
    bmc.event_log.clear()
    assert bmc.event_log.entries() == ()
    # Set SEL Time, then Add SEL Entry: a fan below its lower critical threshold, and gone again.
    now = 1_700_000_000
    bmc._bmc.ask("set its clock", 0x0A, 0x49, now.to_bytes(4, "little"))
    for gone in (0, 0x80):
        record = bytes.fromhex("0000 02 00000000 2000 04 04 02") + bytes([0x01 | gone]) + b"\x52\x05\x0a"
        bmc._bmc.ask("log an event", 0x0A, 0x44, record)
    first, second = bmc.event_log.entries()
    assert (first.message, first.sensor) == ("Lower Critical", "FAN1")
    assert first.at is not None
    assert datetime.fromtimestamp(now, UTC) <= first.at <= datetime.fromtimestamp(now + 600, UTC)
    assert (first.severity, second.severity) == (Health.CRITICAL, Health.OK)
    assert second.message != first.message


@needs_ipmi_sim
def test_the_led_is_forced_on_and_switched_off(bmc: IPMI, peer: Any) -> None:
    bmc.led.set(True)
    assert peer.state()["identify"] == "0 1"
    bmc.led.set(False)
    assert peer.state()["identify"] == "0 0"
    assert bmc.led.lit() is None  # ipmi_sim does not tell


@pytest.mark.parametrize(("bits", "lit"), [(0, None), (0x40, False), (0x50, True), (0x60, True)])
def test_the_led_is_read_from_the_chassis_status(bits: int, lit: bool | None) -> None:
    with ipmi_peer(answers={"0.1": [0, 0, bits]}) as peer:
        bmc = IPMI(endpoint(peer.address))
        assert bmc.led.lit() is lit
        bmc.close()


@needs_ipmi_sim
def test_a_new_password_counts_from_now_on_and_the_conversation_goes_on(bmc: IPMI, peer: Any) -> None:
    assert bmc.accounts.all() == (Account("2", "admin", "Administrator"), Account("3", "viewer", "User"))
    bmc.accounts.set_password("admin", Secret("battery staple"))
    bmc._bmc._hang_up()
    assert bmc.power_state() is PowerState.OFF
    with pytest.raises(LogInRefused):
        IPMI(endpoint(peer.address, password=PASSWORD))
    IPMI(endpoint(peer.address, password="battery staple")).close()


@needs_ipmi_sim
def test_a_password_that_the_bmc_cuts_off_is_taken_back(bmc: IPMI, peer: Any) -> None:
    """ipmi_sim keeps 16 bytes, says yes to 20, and says yes when asked whether it knows them."""
    with pytest.raises(
        ProtocolError, match="the old one was put back; choose one of at most 16 bytes"
    ) as caught:
        bmc.accounts.set_password("admin", Secret("seventeen bytes!!"))
    assert "seventeen" not in str(caught.value)
    IPMI(endpoint(peer.address)).close()
    for password in ("", "x" * 21):
        with pytest.raises(BMCError, match="1 to 20 bytes"):
            bmc.accounts.set_password("admin", Secret(password))
    with pytest.raises(BMCError, match="it has no such user"):
        bmc.accounts.set_password("nobody", Secret("battery staple"))
    assert bmc.power_state() is PowerState.OFF


@needs_ipmi_sim
def test_abilities_are_the_models_own(bmc: IPMI) -> None:
    abilities = bmc.abilities()
    assert abilities[Interface.SENSORS].detail == "10 records"
    assert abilities[Interface.EVENT_LOG].detail == "2 entries"
    assert not abilities[Interface.CONSOLE].supported  # ipmi_sim was given no serial port
    assert abilities[Interface.BIOS].detail == "IPMI has no bios"


def test_a_bmc_that_can_little_says_which_code_it_answers() -> None:
    with ipmi_peer() as peer:
        bmc = IPMI(endpoint(peer.address))
        abilities = bmc.abilities()
        for name in (Interface.SENSORS, Interface.EVENT_LOG, Interface.ACCOUNTS, Interface.CONSOLE):
            assert not abilities[name].supported
            assert abilities[name].detail == "it answers 0xc1 (Invalid command)"
        bmc.close()


@pytest.mark.parametrize("mode", [None, BootMode.BIOS, BootMode.UEFI])
def test_the_efi_bit_is_set_only_when_it_is_asked_for(mode: BootMode | None) -> None:
    with ipmi_peer() as peer:
        bmc = IPMI(endpoint(peer.address))
        bmc.set_boot_device(BootDevice.PXE, mode)
        assert peer.state()["boot_flags"] == (0xA0 if mode is BootMode.UEFI else 0x80)
        bmc.close()


@pytest.mark.parametrize(
    ("flags", "device"),
    [
        ([1, 5, 0x80, 0x04, 0, 0, 0], BootDevice.PXE),
        ([1, 5, 0xC0, 0x08, 0, 0, 0], BootDevice.DISK),
        ([1, 5, 0x80, 0x20, 0, 0, 0], BootDevice.CDROM),  # a remote one
        ([1, 5, 0x00, 0x04, 0, 0, 0], None),  # used up
        ([1, 5, 0x80, 0x18, 0, 0, 0], None),  # BIOS setup
        ([1, 5], None),
    ],
)
def test_the_boot_device_is_read_back(flags: list[int], device: BootDevice | None) -> None:
    with ipmi_peer(answers={"0.9": flags}) as peer:
        bmc = IPMI(endpoint(peer.address))
        assert bmc.boot_device() is device
        bmc.close()


def test_without_credentials_nothing_is_sent() -> None:
    with ipmi_peer() as peer:
        address = endpoint(peer.address).address
        with pytest.raises(AccessDenied, match="no user name was given; IPMI tells strangers nothing"):
            IPMI(type(endpoint(peer.address))(address, ANONYMOUS))
        assert peer.state()["logins"] == []


class Ledger:
    """A pace that writes down what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def wait(self) -> None:
        self.told.append("wait")

    def answered(self, seconds: float) -> None:
        self.told.append("answered")

    def overloaded(self, seconds: float, seen: str) -> None:
        self.told.append("overloaded")


@pytest.mark.parametrize(
    ("code", "told", "error"),
    [(0, "answered", None), (0xC0, "overloaded", Busy), (0xC1, "answered", BMCError)],
)
def test_the_pace_is_asked_before_and_told_after_each_command(
    code: int, told: str, error: type[BMCError] | None
) -> None:
    with ipmi_peer(codes={"0.1": code} if code else {}) as peer:
        pace = Ledger()
        bmc = IPMI(endpoint(peer.address), pace=pace)
        assert pace.told == ["wait", "answered"]  # the log-in
        if error:
            with pytest.raises(error):
                bmc.power_state()
        else:
            bmc.power_state()
        assert pace.told[2:] == ["wait", told]
        bmc.close()


def test_the_pace_learns_of_silence_and_of_full_tables() -> None:
    pace = Ledger()
    with pytest.raises(Unreachable):
        IPMI(endpoint("ipmi://127.0.0.1:9"), pace=pace, waits=(0.01,))
    with ipmi_peer(faults=("full",)) as peer, pytest.raises(Busy):
        IPMI(endpoint(peer.address), pace=pace)
    assert pace.told == ["wait", "overloaded"] * 2
