"""`undercloud lab simulate` from outside: what it tells, faults while it runs, its summary."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import pytest
from click.testing import Result
from typer.testing import CliRunner
from vmlab.cli import app

Lab = Callable[..., Result]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("UNDERCLOUD_LAB_DIR", str(tmp_path))
    return lambda *words: CliRunner().invoke(app, words)


def read_object(stream: IO[str]) -> dict[str, object]:
    """One JSON object, as -o json prints it."""
    text = ""
    for line in stream:
        text += line
        if line == "}\n":
            break
    told: dict[str, object] = json.loads(text)
    return told


def test_a_fleet_from_the_command_line(lab: Lab) -> None:
    ports = ["--ipmi-port", "0", "--redfish-port", "0", "--no-tls"]
    command = [sys.executable, "-m", "vmlab", "simulate", "--bmcs", "300", *ports, "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        stdout = cast(IO[str], simulator.stdout)
        told = read_object(stdout)
        assert (told["bmcs"], told["first"], told["last"]) == (300, "127.64.0.1", "127.64.1.44")
        password = Path(str(told["password_file"])).read_text().strip()
        assert password and password not in json.dumps(told)

        assert "runs already" in lab("simulate", "--ipmi-port", "0").output
        assert lab("fault", "full:127.64.0.7", "drop=0.1:127.64.0.7").stdout.splitlines() == [
            "127.64.0.7: full: its session table is full",
            "127.64.0.7: drop: loses each packet or request with probability 0.1",
        ]
        seen = json.loads(lab("simulated", "127.64.0.7", "-o", "json").stdout)
        assert seen["faults"] == ["full=0", "drop=0.1"]
        assert lab("fault", "--clear", "drop").stdout == "all BMCs: drop ended\n"
        assert json.loads(lab("simulated", "127.64.0.7", "-o", "json").stdout)["faults"] == ["full=0"]
        wrong = lab("fault", "sleepy")
        assert wrong.exit_code == 1
        assert "no fault 'sleepy'" in wrong.output

        simulator.send_signal(signal.SIGINT)
        summary = read_object(stdout)
        assert (summary["touched"], summary["wrong_passwords"]) == (1, 0)
        assert simulator.wait(30) == 0
    gone = lab("simulated")
    assert gone.exit_code == 1
    assert "no simulator" in gone.output


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (["--bmcs", "70000"], "holds 65534 BMCs"),
        (["--personality", "nobody"], "Packaged: plain"),
        (["--block", "127.64.0.0/40"], "no address range"),
        (["--fault", "sleepy"], "no fault 'sleepy'"),
        (["--latency", "soon"], "no latency"),
        (["--password-file", "/nonexistent"], "password file"),
        (["--name", "../x"], "no name for a simulator"),
    ],
)
def test_what_is_no_fleet(wishes: list[str], words: str, lab: Lab) -> None:
    done = lab("simulate", "--ipmi-port", "0", "--redfish-port", "0", *wishes)
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    assert isinstance(done.exception, SystemExit)  # expected, not a crash
