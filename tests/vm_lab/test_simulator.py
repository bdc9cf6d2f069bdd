"""The simulated BMCs, asked by clients that others wrote."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sushy
from pyghmi.ipmi import command
from vmlab.simulator import Settings, Simulation


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    with Simulation(Settings(bmcs=100)) as simulation:
        yield simulation


@pytest.fixture
def password_file(tmp_path: Path, fleet: Simulation) -> Path:
    path = tmp_path / "password"
    path.write_text(fleet.settings.password)
    return path


@contextmanager
def system(fleet: Simulation, address: str) -> Iterator[Any]:
    """The only system there, by sushy; logged out at the end (sushy does so when it is collected: late)."""
    url = fleet.redfish(address).removeprefix("redfish+")
    service = sushy.Sushy(url, username="admin", password=fleet.settings.password, verify=False)
    yield service.get_system("/redfish/v1/Systems/1")
    service._auth.close()
    service._auth = None


@pytest.mark.parametrize("suite", ["3", "17"])
def test_ipmitool_switches_a_machine_on(suite: str, fleet: Simulation, password_file: Path) -> None:
    bmc = fleet.addresses[int(suite)]
    login = ["-I", "lanplus", "-C", suite, "-H", bmc, "-p", str(fleet.ipmi_port), "-U", "admin"]
    ipmitool = ["ipmitool", *login, "-f", str(password_file)]
    assert subprocess.check_output([*ipmitool, "power", "status"], text=True) == "Chassis Power is off\n"
    subprocess.check_call([*ipmitool, "power", "on"])
    assert subprocess.check_output([*ipmitool, "power", "status"], text=True) == "Chassis Power is on\n"
    remembered = fleet.remembered(bmc)
    assert (remembered["power"], remembered["logins"], remembered["sessions"]) == ("on", 3, 0)


def test_one_machine_behind_both_protocols(fleet: Simulation) -> None:
    bmc = fleet.addresses[1]
    ipmi = command.Command(bmc, "admin", fleet.settings.password, port=fleet.ipmi_port)
    ipmi.set_power("on")
    with system(fleet, bmc) as machine:
        assert machine.power_state is sushy.PowerState.ON
        machine.reset_system(sushy.ResetType.FORCE_OFF)
    assert ipmi.get_power() == {"powerstate": "off"}
    assert fleet.remembered(bmc)["done"] == ["power on", "power off"]


def test_without_power_neither_protocol_reads_what_hangs_on_it(fleet: Simulation) -> None:
    bmc = fleet.addresses[40]
    ipmi = command.Command(bmc, "admin", fleet.settings.password, port=fleet.ipmi_port)
    told = []
    for power in ("off", "on"):
        if power == "on":
            ipmi.set_power(power)
        fans_and_volts = [one for one in ipmi.get_sensor_data() if one.type in ("Fan", "Voltage")]
        with system(fleet, bmc) as machine:
            thermal = machine._conn.get("/redfish/v1/Chassis/1/Thermal").json()
            volts = machine._conn.get("/redfish/v1/Chassis/1/Power").json()["Voltages"][0]["ReadingVolts"]
        told.append(([one.value for one in fans_and_volts], thermal["Fans"][0]["Reading"], volts))
        assert thermal["Temperatures"][0]["ReadingCelsius"] == 24
    assert told == [([None] * 3, None, None), ([8160, 8040, 12.06], 8160, 12.06)]


def test_each_machine_is_another(fleet: Simulation) -> None:
    told = []
    for bmc in fleet.addresses[5:7]:
        with system(fleet, bmc) as machine:
            macs = [nic.mac_address for nic in machine.ethernet_interfaces.get_members()]
            told.append({machine.uuid, machine.serial_number, *macs})
    first, second = told
    assert len(first) == 4
    assert not first & second


def test_a_part_of_the_fleet_is_of_another_vendor() -> None:
    tree = Path(__file__).parents[1] / "data" / "hwdrivers" / "dell-r820.json"
    with Simulation(Settings(bmcs=10, others=(f"{tree}@127.64.0.4-6",), ipmi_port=None)) as mixed:
        roots = [
            httpx.get(mixed.redfish(bmc).removeprefix("redfish+") + "/redfish/v1/") for bmc in mixed.addresses
        ]
    dells = [bmc for bmc, root in zip(mixed.addresses, roots, strict=True) if "Dell" in root.text]
    assert dells == ["127.64.0.4", "127.64.0.5", "127.64.0.6"]


def test_ipmipower_asks_all_of_them(fleet: Simulation, tmp_path: Path) -> None:
    config, seen = tmp_path / "ipmipower.conf", tmp_path / "seen"
    config.write_text(f'username admin\npassword "{fleet.settings.password}"\ndriver-type LAN_2_0\n')
    config.chmod(0o600)
    hosts = f"127.64.0.[1-100]:{fleet.ipmi_port}"
    # A file: what ipmipower 1.6.10 writes faster than a pipe is read is lost.
    with seen.open("w") as output:
        command = ["ipmipower", f"--config-file={config}", "-h", hosts, "--stat"]
        subprocess.run(command, stdout=output, check=True)
    assert len(seen.read_text().splitlines()) == 100
    assert {line.split(": ")[1] for line in seen.read_text().splitlines()} <= {"on", "off"}


def test_scattered_bmcs_are_the_same_each_time() -> None:
    wishes = Settings(block="127.65.0.0/16", bmcs=50, scattered=True, seed=7, redfish_port=None)
    with Simulation(wishes) as scattered:
        assert len(set(scattered.addresses)) == 50
        assert "127.65.0.1" not in scattered.addresses  # where they would begin
        ping = bytes.fromhex("0600ff06 000011be 8001 0000")
        assert [bmc for bmc in (*scattered.addresses[:20], "127.65.0.1") if pong(bmc, scattered, ping)] == [
            *scattered.addresses[:20]
        ]


def pong(bmc: str, fleet: Simulation, ping: bytes) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        sock.sendto(ping, (bmc, fleet.ipmi_port or 0))
        try:
            answer, sender = sock.recvfrom(100)
        except TimeoutError:
            return False
    assert sender[0] == bmc  # it answers from the address that was asked
    return answer[8] == 0x40


def test_ipmitool_finds_the_best_suite_itself(fleet: Simulation, password_file: Path) -> None:
    to = ["-I", "lanplus", "-H", fleet.addresses[30], "-p", str(fleet.ipmi_port), "-U", "admin"]
    command = ["ipmitool", *to, "-f", str(password_file), "power", "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("Chassis Power is off\n", "")
