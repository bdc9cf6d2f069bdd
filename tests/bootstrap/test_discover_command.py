"""`undercloud discover` and `credentials rotate` against a simulated fleet, as an operator types them."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result
from vmlab.simulator import Settings, Simulation

from bootstrap.cli import app

CONFIG = """\
provisioning: {{interface: lo, address: 10.0.0.1/24, dhcp_range: [10.0.0.128, 10.0.0.254]}}
state_dir: {0}
images_dir: {0}/images
socket: {0}/seed.sock
"""
RANGE = "127.72.0.1-4"  # all of them BMCs: nobody is waited for


SETTINGS = Settings(block="127.72.0.0/28", bmcs=4, tls=True, faults=("lockout=600",))


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    """Four BMCs, each with IPMI and Redfish, that lock their accounts after three wrong passwords."""
    with Simulation(SETTINGS) as running:
        yield running


@pytest.fixture
def own_fleet() -> Iterator[Simulation]:
    """One for a test that changes its passwords, or counts."""
    with Simulation(SETTINGS) as running:
        yield running


class Operator:
    """Types commands where no seed runs."""

    def __init__(self, folder: Path, fleet: Simulation) -> None:
        self.folder = folder
        self.config = folder / "undercloud.yaml"
        self.config.write_text(CONFIG.format(folder))
        (folder / "secrets.key").write_bytes(Fernet.generate_key())
        self.ports = [f"ipmi:{fleet.ipmi_port}", f"redfish:{fleet.redfish_port}"]
        self.printed = ""
        self.credentials("lab", fleet.settings.password)

    def __call__(self, *words: str, code: int = 0, stdin: str | None = None) -> Result:
        done = CliRunner().invoke(app, ["--config", str(self.config), *words], input=stdin)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.stdout + done.stderr
        self.printed += done.stdout + done.stderr
        return done

    def credentials(self, name: str, password: str) -> None:
        login = ("--username", "admin", "--insecure", "--password-file", "-")
        self("credentials", "add", name, *login, stdin=password)

    def scan(self, *words: str) -> list[str]:
        return ["discover", RANGE, *(f"--port={port}" for port in self.ports), *words]

    def discover(self, *words: str, code: int = 0) -> Result:
        return self(*self.scan(*words), code=code)

    def rows(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.discover(*words, "-o", "json", code=code).stdout)
        return rows


@pytest.fixture
def operator(tmp_path: Path, fleet: Simulation) -> Operator:
    return Operator(tmp_path, fleet)


@pytest.fixture
def keeper(tmp_path: Path, own_fleet: Simulation) -> Operator:
    """The operator of `own_fleet`."""
    return Operator(tmp_path, own_fleet)


def test_a_rack_is_found_identified_enrolled_and_rotated(keeper: Operator, own_fleet: Simulation) -> None:
    rows = keeper.rows("--credentials", "lab", "--enroll")
    assert [row["address"] for row in rows] == [own_fleet.redfish(address) for address in own_fleet.addresses]
    for address, row in zip(own_fleet.addresses, rows, strict=True):
        assert row["also"] == [own_fleet.ipmi(address)]
        assert sorted(row["protocols"]) == ["IPMI", "Redfish"]
        assert (row["outcome"], row["login"], row["change"]) == ("enrolled", "lab", "new")
        assert row["serial"] and row["uuid"] and row["firmware"] and row["power"] == "power off"
        remembered = own_fleet.remembered(address)
        assert (remembered["logins"], remembered["sessions_most"]) == (1, 1)
    done = keeper("credentials", "rotate", "lab", "--all", "--generate", "--yes", "-o", "json")
    assert {row["outcome"] for row in json.loads(done.stdout)} == {"rotated"}
    assert "All nodes have the new password; the old one of 'lab' is forgotten." in done.stderr
    # With the new one, which nobody was shown, and nothing is wrong or new.
    again = keeper.rows()
    assert [(row["login"], row["change"], row["outcome"]) for row in again] == [("lab", None, "known")] * 4
    assert [own_fleet.remembered(address)["wrong_passwords"] for address in own_fleet.addresses] == [0] * 4
    keeper.credentials("old", own_fleet.settings.password)
    assert own_fleet.settings.password not in keeper.printed


def test_no_bmc_is_ever_locked(keeper: Operator, own_fleet: Simulation) -> None:
    for name in ("wrong-1", "wrong-2", "wrong-3"):
        keeper.credentials(name, name)
    one, *others = own_fleet.addresses
    logins = [f"--credentials={name}" for name in ("wrong-1", "wrong-2", "wrong-3", "lab")]
    words = [*logins, "--exclude", f"{others[0]}-{others[-1]}"]
    for protocol in ((), ("--protocol", "ipmi"), ("--protocol", "redfish")):
        (row,) = keeper.rows(*words, *protocol, code=1)
        assert row["outcome"] == "refused"
        assert own_fleet.remembered(one)["wrong_passwords"] <= 2, protocol
    # Nor by the right one, for a while: nobody can know that it is right.
    (row,) = keeper.rows("--credentials", "lab", *words[-2:], code=1)
    assert "it refused 2 different log-ins lately, and one more may lock the account" in row["error"]
    assert not own_fleet.remembered(one)["locked"]


def test_many_bmcs_that_are_not_trusted_are_told_once_and_the_next_log_in_is_tried(
    operator: Operator, fleet: Simulation
) -> None:
    login = ("--username", "admin", "--password-file", "-")
    operator("credentials", "add", "strict", *login, stdin=fleet.settings.password)
    done = operator.discover("--credentials", "strict", "-o", "json", code=1)
    assert {row["outcome"] for row in json.loads(done.stdout)} == {"failed"}
    everybody = ", ".join(map(fleet.redfish, fleet.addresses))
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{everybody}: cannot ")
    assert "--insecure" in line
    rows = operator.rows("--credentials", "strict", "--credentials", "lab")
    assert {(row["login"], row["error"]) for row in rows} == {("lab", None)}


def test_formats(operator: Operator, fleet: Simulation) -> None:
    table = operator.discover().stdout.splitlines()
    titles = table[0].split()
    assert [titles[0], titles[-2:]] == ["BMC", ["CHANGE", "NODE"]]
    assert len(table) == 5
    written = operator.discover("--exclude", fleet.addresses[1], "-o", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["address"] for row in rows] == [
        fleet.redfish(address) for number, address in enumerate(fleet.addresses) if number != 1
    ]
    assert {row["also"] for row in rows} == {
        fleet.ipmi(address) for number, address in enumerate(fleet.addresses) if number != 1
    }


def test_a_manifest_is_compared_and_ends_with_1_if_not_all_match(
    operator: Operator, fleet: Simulation
) -> None:
    serials = [row["serial"] for row in operator.rows("--credentials", "lab")]
    places = zip(["1", "2", "3"], [serials[0], serials[2], serials[1]], fleet.addresses, strict=False)
    lines = ["rack,slot,serial,bmc_address,credentials", *(f"R1,{','.join(place)},lab" for place in places)]
    manifest = operator.folder / "rack.csv"
    manifest.write_text("\n".join([*lines, "R1,4,NOWHERE,127.72.0.9,lab", ""]))
    told = json.loads(operator.discover("--manifest", str(manifest), "-o", "json", code=1).stdout)["manifest"]
    assert [verdict["status"] for verdict in told] == [
        "matching",
        "swapped",
        "swapped",
        "missing",
        "unexpected",
    ]
    table = operator.discover("--manifest", str(manifest), code=1).stdout
    assert "Against the manifest:" in table
    manifest.write_text("\n".join([*lines[:2], ""]))
    operator.discover("--manifest", str(manifest), "--exclude", f"{fleet.addresses[1]}-4", "--enroll")
    assert [node["name"] for node in json.loads(operator("node", "list", "-o", "json").stdout)] == ["r1-1"]


WRONG = [
    (["--port", "8443"], "'8443' is not a port; write redfish:8443"),
    (["--exclude", "10.0.0"], "'10.0.0' is not an address or a range"),
    (["--exclude", "127.0.0.0/8"], "all addresses of the range are excluded"),
    (["--credentials", "nobody"], "no credentials 'nobody'; there are: lab"),
    (["--manifest", "/nowhere.csv"], "--manifest /nowhere.csv: No such file"),
    (["10.0.0.0/15"], "more than 65536 addresses (a /16): scan in parts"),
]


def test_help_tells_the_exit_code_of_what_is_wrong(operator: Operator) -> None:
    told = " ".join(operator("discover", "--help").stdout.split())
    assert "or a range, port, credentials or manifest is wrong; 2" in told


def test_what_is_wrong_is_said_before_anything_is_sent(operator: Operator, fleet: Simulation) -> None:
    before = fleet.totals()["requests"]
    for words, problem in WRONG:
        done = operator.discover(*words, code=1)
        assert done.stdout == ""
        assert problem in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert fleet.totals()["requests"] == before


def test_a_manifest_with_an_error_is_told_with_file_and_line(operator: Operator) -> None:
    manifest = operator.folder / "rack.csv"
    manifest.write_text("rack,slot,serial\nR1,1\n")
    done = operator.discover("--manifest", str(manifest), code=1)
    assert done.stderr == f"error: {manifest}:2: 2 cells under 3 columns\n"


def test_a_rotation_is_confirmed_and_may_be_written_to_a_file(
    keeper: Operator, own_fleet: Simulation
) -> None:
    one = ["--exclude", "127.72.0.2-4"]
    keeper.rows("--credentials", "lab", "--enroll", "--protocol", "ipmi", *one)
    refused = keeper("credentials", "rotate", "lab", "--all", "--generate", code=1)
    assert "nobody can be asked here, so say --yes" in refused.stderr
    file = keeper.folder / "new.pass"
    keeper("credentials", "rotate", "lab", "--all", "--generate", "--save-to", str(file), "--yes")
    assert file.stat().st_mode & 0o777 == 0o600
    keeper.credentials("saved", file.read_text())
    assert {row["outcome"] for row in keeper.rows("--credentials", "saved", *one)} == {"known"}
    assert file.read_text().strip() not in keeper.printed
    again = keeper(
        "credentials", "rotate", "lab", "--all", "--generate", "--save-to", str(file), "--yes", code=1
    )
    assert f"--save-to {file}: File exists" in again.stderr


def test_ctrl_c_keeps_what_was_found(operator: Operator, fleet: Simulation) -> None:
    """On a terminal, where rows appear as they are found; silent addresses keep the scan going."""
    words = [*operator.scan("127.72.0.8-14", "--rate", "3"), "--exclude", fleet.addresses[3]]
    command = [str(Path(sys.executable).with_name("undercloud")), "--config", str(operator.config), *words]
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "150", "LINES": "24", "TERM": "xterm"}
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        screen = b""
        while fleet.addresses[0].encode() not in screen:
            assert select.select([leader], [], [], 60)[0]
            screen += os.read(leader, 65536)
        assert b"BMCs found" in screen
        process.send_signal(signal.SIGINT)
        rest = b""
        try:
            while part := os.read(leader, 65536):
                rest += part
        except OSError:  # the other side has ended
            pass
        assert process.wait() == 130
    os.close(leader)
    assert b"Stopped; " in rest
    assert {
        row["change"] for row in operator.rows() if row["address"] == fleet.redfish(fleet.addresses[0])
    } == {None}
