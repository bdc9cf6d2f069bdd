"""The simulated BMCs, asked by clients that others wrote."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def test_each_machine_is_another(fleet: Simulation) -> None:
    told = []
    for bmc in fleet.addresses[5:7]:
        with system(fleet, bmc) as machine:
            macs = [nic.mac_address for nic in machine.ethernet_interfaces.get_members()]
            told.append({machine.uuid, machine.serial_number, *macs})
    first, second = told
    assert len(first) == 4
    assert not first & second
