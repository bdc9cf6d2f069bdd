"""Faults of simulated BMCs, as ipmitool and HTTP clients meet them, and what the simulator remembers."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from vmlab.errors import LabError
from vmlab.simulator import Settings, Simulation

IPMITool = Callable[..., "subprocess.CompletedProcess[str]"]
# Get Channel Authentication Capabilities, as any client begins.
CAPABILITIES = bytes.fromhex("0600ff07 00 00000000 00000000 09 2018c8 8100388e04b5")
SESSIONS = "/redfish/v1/SessionService/Sessions"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    with Simulation(Settings(bmcs=100)) as simulation:
        yield simulation


@pytest.fixture
def bmc(fleet: Simulation, request: pytest.FixtureRequest) -> Iterator[str]:
    """Another one for each test."""
    request.config.stash.setdefault(COUNT, [0])[0] += 1
    yield fleet.addresses[request.config.stash[COUNT][0]]
    fleet.clear()


COUNT = pytest.StashKey[list[int]]()


@pytest.fixture
def ipmitool(fleet: Simulation, bmc: str, tmp_path: Path) -> IPMITool:
    """Asks once, and waits a second for each answer."""

    def ask(*words: str, password: str = fleet.settings.password) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "password"
        file.write_text(password)
        to = ["-I", "lanplus", "-C", "17", "-H", bmc, "-p", str(fleet.ipmi_port), "-N", "1", "-R", "1"]
        command = ["ipmitool", *to, "-U", "admin", "-f", str(file), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return ask


def ask(
    fleet: Simulation, bmc: str, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """One HTTP request: status, headers, document."""
    with closing(http.client.HTTPConnection(bmc, fleet.redfish_port, timeout=5)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, None if body is None else json.dumps(body), named)
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, dict(answer.headers), json.loads(raw or b"null")


def log_in(fleet: Simulation, bmc: str, password: str | None = None) -> tuple[int, str]:
    login = {"UserName": "admin", "Password": password or fleet.settings.password}
    status, headers, _ = ask(fleet, bmc, "POST", SESSIONS, login)
    return status, headers.get("X-Auth-Token", "")


def test_three_wrong_passwords_lock_the_right_one_out(fleet: Simulation, bmc: str) -> None:
    fleet.fault("lockout=1000", bmc)
    assert [log_in(fleet, bmc, "wrong")[0] for _ in range(3)] == [401] * 3
    assert log_in(fleet, bmc)[0] == 401
    told = fleet.remembered(bmc)
    assert (told["logins"], told["wrong_passwords"], told["locked"], told["sessions"]) == (4, 3, True, 0)
    fleet.clear("lockout", bmc)
    assert log_in(fleet, bmc)[0] == 201


def test_a_right_password_makes_two_wrong_ones_forgotten(fleet: Simulation, bmc: str) -> None:
    fleet.fault("lockout=1000", bmc)
    words = ["wrong", "wrong", None, "wrong", "wrong", None]
    assert [log_in(fleet, bmc, word)[0] for word in words] == [401, 401, 201, 401, 401, 201]


def test_one_lock_for_both_protocols(fleet: Simulation, bmc: str, ipmitool: IPMITool) -> None:
    fleet.fault("lockout=1000", bmc)
    for _ in range(3):
        log_in(fleet, bmc, "wrong")
    refused = ipmitool("-v", "power", "status")
    assert refused.returncode
    assert "unauthorized name" in refused.stderr
    fleet.clear(where=bmc)
    assert ipmitool("power", "status").stdout == "Chassis Power is off\n"


def test_ipmi_log_ins_that_stop_at_the_answer_lock_as_well(
    fleet: Simulation, bmc: str, ipmitool: IPMITool
) -> None:
    fleet.fault("lockout=1000", bmc)
    for _ in range(3):
        assert ipmitool("power", "status", password="wrong").returncode
    assert "unauthorized name" in ipmitool("-v", "power", "status").stderr
    told = fleet.remembered(bmc)
    assert told["wrong_passwords"] + told["unfinished"] == 3
    assert told["locked"]


def test_a_full_session_table(fleet: Simulation, bmc: str, ipmitool: IPMITool) -> None:
    fleet.fault("full", bmc)
    assert "insufficient resources" in ipmitool("-v", "power", "status").stderr.lower()
    status, headers, told = ask(
        fleet, bmc, "POST", SESSIONS, {"UserName": "admin", "Password": fleet.settings.password}
    )
    assert (status, headers["Retry-After"]) == (503, "30")
    assert "SessionLimitExceeded" in told["error"]["code"]


def test_the_ninth_redfish_session_finds_no_room(fleet: Simulation, bmc: str) -> None:
    tokens = [log_in(fleet, bmc) for _ in range(9)]
    assert [status for status, _ in tokens] == [201] * 8 + [503]
    _, _, open_now = ask(fleet, bmc, "GET", SESSIONS, X_Auth_Token=tokens[0][1])
    status, _, _ = ask(fleet, bmc, "DELETE", open_now["Members"][3]["@odata.id"], X_Auth_Token=tokens[0][1])
    assert status == 204
    assert log_in(fleet, bmc)[0] == 201
    assert fleet.remembered(bmc)["sessions_most"] == 8


def test_a_busy_bmc_says_when_to_come_back(fleet: Simulation, bmc: str, ipmitool: IPMITool) -> None:
    fleet.fault("busy=7", bmc)
    status, headers, _ = ask(fleet, bmc, "GET", "/redfish/v1/")
    assert (status, headers["Retry-After"]) == (503, "7")
    assert "Node busy" in ipmitool("power", "status").stderr


def test_power_that_lies(fleet: Simulation, bmc: str, ipmitool: IPMITool) -> None:
    fleet.fault("power-stuck", bmc)
    assert ipmitool("power", "on").returncode == 0
    assert ipmitool("power", "status").stdout == "Chassis Power is off\n"
    fleet.clear(where=bmc)
    fleet.fault("power-lies", bmc)
    assert ipmitool("power", "status").stdout == "Chassis Power is on\n"
    told = fleet.remembered(bmc)
    assert (told["power"], told["done"]) == ("off", ["power on"])


def test_a_reboot_ends_sessions_and_is_deaf(fleet: Simulation, bmc: str) -> None:
    _, token = log_in(fleet, bmc)
    fleet.fault("reboot=1000", bmc)
    before = fleet.remembered(bmc)["requests"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((bmc, fleet.ipmi_port or 0))
        sock.send(CAPABILITIES)
    assert fleet.remembered(bmc)["requests"] == before
    fleet.clear("reboot")
    assert ask(fleet, bmc, "GET", "/redfish/v1/Systems", X_Auth_Token=token)[0] == 401


@pytest.mark.parametrize("fault", ["integrity", "silent", "drop=1"])
def test_what_ipmi_clients_cannot_use(fault: str, fleet: Simulation, bmc: str, ipmitool: IPMITool) -> None:
    fleet.fault(fault, bmc)
    assert ipmitool("power", "on").returncode
    fleet.clear(where=bmc)
    assert ipmitool("power", "status").returncode == 0


def test_a_wrong_checksum(fleet: Simulation, bmc: str) -> None:
    """ipmitool does not look at it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect((bmc, fleet.ipmi_port or 0))
        sock.send(CAPABILITIES)
        assert sum(sock.recv(100)[17:]) & 0xFF == 0
        fleet.fault("checksum", bmc)
        sock.send(CAPABILITIES)
        assert sum(sock.recv(100)[17:]) & 0xFF == 1


def test_half_a_document(fleet: Simulation, bmc: str) -> None:
    fleet.fault("garbled", bmc)
    with pytest.raises(json.JSONDecodeError):
        ask(fleet, bmc, "GET", "/redfish/v1/")


def test_a_lost_request(fleet: Simulation, bmc: str) -> None:
    fleet.fault("drop=1", bmc)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(fleet, bmc, "GET", "/redfish/v1/")


def test_faults_reach_those_that_nobody_has_touched(fleet: Simulation) -> None:
    fleet.fault("busy", f"{fleet.addresses[90]}-92")
    fleet.clear("busy", fleet.addresses[91])
    answers = [ask(fleet, bmc, "GET", "/redfish/v1/")[0] for bmc in fleet.addresses[90:92]]
    assert answers == [503, 200]
    fleet.clear()


def test_nobody_lives_at_other_addresses(fleet: Simulation) -> None:
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(fleet, "127.64.9.9", "GET", "/redfish/v1/")
    with pytest.raises(LabError, match=r"no BMC at 127\.64\.9\.9"):
        fleet.remembered("127.64.9.9")


@pytest.mark.parametrize("fault", ["sleepy", "busy=soon", "busy:127.64.0.300", "busy:127.64.0.9-3"])
def test_a_fault_that_there_is_not(fault: str, fleet: Simulation) -> None:
    kind, _, where = fault.partition(":")
    with pytest.raises(LabError):
        fleet.fault(kind, where)
