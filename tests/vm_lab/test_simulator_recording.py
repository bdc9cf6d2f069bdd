"""A BMC is recorded, and the simulator says the same; what is secret stays behind."""

from __future__ import annotations

import json
import stat
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from vmlab.cli import app
from vmlab.simulator import Settings, Simulation, secrecy

TREES = Path(__file__).parents[1] / "data" / "hwdrivers"
OWN = ("SerialNumber", "UUID", "ServiceEntryPointUUID", "MACAddress", "PermanentMACAddress")


def record(fleet: Simulation, address: str, folder: Path, *options: str) -> Path:
    password, output = folder / "password", folder / "recorded.json"
    password.write_text(fleet.settings.password)
    login = ["--username", "admin", "--password-file", str(password), "-o", str(output)]
    done = CliRunner().invoke(app, ["record", address, *login, "--rate", "10000", *options])
    assert done.exit_code == 0, done.output
    return output


def personality(folder: Path, documents: dict[str, Any]) -> str:
    file = folder / "personality.json"
    file.write_text(json.dumps({"redfish": documents}))
    return str(file)


def get(fleet: Simulation, path: str) -> Any:
    headers = {"Authorization": "Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="}  # admin:correct horse
    with closing(HTTPConnection(fleet.addresses[0], fleet.redfish_port, timeout=30)) as connection:
        connection.request("GET", path, headers=headers)
        return json.loads(connection.getresponse().read())


def without_own(part: Any) -> Any:
    """Without what the simulator makes another for each machine."""
    if isinstance(part, dict):
        return {key: without_own(value) for key, value in part.items() if key not in OWN}
    return [without_own(value) for value in part] if isinstance(part, list) else part


@pytest.mark.parametrize("tree", ["supermicro-x10", "dell-r820", "dmtf-rackmount1"])
def test_a_recorded_service_is_replayed(tree: str, tmp_path: Path) -> None:
    with Simulation(Settings(personality=str(TREES / f"{tree}.json"), ipmi_port=None)) as fleet:
        file = record(fleet, fleet.redfish(fleet.addresses[0]), tmp_path)
        told = {path: get(fleet, path) for path in json.loads(file.read_text())["redfish"]}
        assert fleet.totals()["sessions"] == 0
    assert len(told) > 15
    with Simulation(Settings(personality=str(file), ipmi_port=None, latency="0")) as replayed:
        again = {path: get(replayed, path) for path in told}
    assert without_own(again) == without_own(told)


def test_recorded_ipmi_is_replayed(tmp_path: Path) -> None:
    with Simulation(Settings(bmcs=1, redfish_port=None)) as fleet:
        file = record(fleet, fleet.ipmi(fleet.addresses[0]), tmp_path)
        told = ipmitool(fleet, tmp_path)
    facts = json.loads(file.read_text())
    assert len(facts["latency"]["ipmi"]) > 20
    with Simulation(Settings(personality=str(file), redfish_port=None, latency="0")) as replayed:
        assert ipmitool(replayed, tmp_path) == told
    assert "Inlet Temp" in told and "LAB0400001" in told and "Upper Non-critical going high" in told


def ipmitool(fleet: Simulation, folder: Path) -> str:
    to = ["-I", "lanplus", "-C", "3", "-H", fleet.addresses[0], "-p", str(fleet.ipmi_port), "-U", "admin"]
    command = ["ipmitool", *to, "-f", str(folder / "password")]
    asked = (["sdr"], ["fru"], ["sel", "list"], ["mc", "info"])
    return "".join(subprocess.check_output([*command, *words], text=True) for words in asked)


SECRETS = {
    "/redfish/v1/": {
        "@odata.id": "/redfish/v1/",
        "Systems": {"@odata.id": "/redfish/v1/Systems/1"},
        "Managers": {"@odata.id": "/redfish/v1/Managers/1"},
    },
    "/redfish/v1/Systems/1": {
        "@odata.type": "#ComputerSystem.v1_20_0.ComputerSystem",
        "SerialNumber": "CZ1234567A",
        "SKU": "CZ1234567A",
        "HostName": "payroll-db1",
        "UUID": "31393735-3136-435a-3332-303130363131",
        "Description": "CZ1234567A of payroll-db1",
        "PasswordPolicy": {"MinPasswordLength": 8, "AdminPassword": "hunter2hunter"},
        "EthernetInterfaces": [{"MACAddress": "3C:EC:EF:12:34:56"}],
    },
    "/redfish/v1/Managers/1": {
        "SNMP": {"CommunityStrings": [{"CommunityString": "opensesame", "Name": "ops"}]},
        "Oem": {"Licenses": [{"LicenseKey": "AAAA-BBBB-CCCC"}], "AuthToken": "t0ps3cret"},
        "Update": "https://updater:fetchme@mirror.example/fw",
        "MACAddress": "3C:EC:EF:12:34:56",
    },
}


def test_secrets_stay_behind(tmp_path: Path) -> None:
    with Simulation(Settings(personality=personality(tmp_path, SECRETS), ipmi_port=None)) as fleet:
        file = record(fleet, fleet.redfish(fleet.addresses[0]), tmp_path)
    text = file.read_text()
    for secret in ("hunter2", "opensesame", "AAAA-BBBB", "t0ps3cret", "fetchme", fleet.settings.password):
        assert secret not in text
    assert '"MinPasswordLength": 8' in text and "mirror.example/fw" in text and "payroll-db1" in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_pseudonyms_are_the_same_everywhere() -> None:
    names = secrecy.Pseudonyms()
    names.learn(SECRETS)
    text = json.dumps(told := names.applied(SECRETS))
    for telling in ("CZ1234567A", "payroll", "31393735", "12:34:56"):
        assert telling not in text
    system, manager = told["/redfish/v1/Systems/1"], told["/redfish/v1/Managers/1"]
    assert system["SerialNumber"] == system["SKU"]
    assert system["Description"] == f"{system['SerialNumber']} of {system['HostName']}"
    assert system["EthernetInterfaces"][0]["MACAddress"] == manager["MACAddress"]
    assert manager["MACAddress"].startswith("3C:EC:EF:")  # whose NIC it is


def test_an_anonymous_fru_is_still_whole(tmp_path: Path) -> None:
    with Simulation(Settings(bmcs=1, redfish_port=None)) as fleet:
        file = record(fleet, fleet.ipmi(fleet.addresses[0]), tmp_path, "--anonymize")
    area = bytes.fromhex(json.loads(file.read_text())["ipmi"]["fru"])
    assert b"LAB0400001" not in area
    for start in (area[2] * 8, area[3] * 8, area[4] * 8):
        assert sum(area[start : start + area[start + 1] * 8]) & 0xFF == 0


@pytest.mark.parametrize("address", ["http://10.0.0.5", "ipmi://u:p@10.0.0.5", "ipmi://10.0.0.5:99999"])
def test_what_cannot_be_recorded(address: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    options = ["--username", "u", "--password-file", str(tmp_path / "password"), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["record", address, *options])
    assert done.exit_code == 1
    assert "is no BMC to record" in done.output
    assert not (tmp_path / "out").exists()


def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    with Simulation(Settings(ipmi_port=None)) as fleet:
        (tmp_path / "password").write_text("wrong")
        login = ["--username", "admin", "--password-file", str(tmp_path / "password")]
        bmc = fleet.redfish(fleet.addresses[0])
        done = CliRunner().invoke(app, ["record", bmc, *login, "-o", str(tmp_path / "out")])
        assert done.exit_code == 1
        assert "refuses the log-in" in done.output
        assert fleet.totals()["logins"] == 1
