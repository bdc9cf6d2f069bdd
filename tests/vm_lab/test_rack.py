"""Racks for real: up, repaired, side by side, and gone without a trace."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from outside import Lab

pytestmark = pytest.mark.lab
THREE = Path(__file__).parents[2] / "vm-lab" / "topologies" / "three.yaml"
NOTHING: list[str] = []
ALL_OFF = {"node-1": "off", "node-2": "off", "node-3": "off"}


def up(lab: Lab, *words: str) -> None:
    done = lab("up", *words)
    assert done.returncode == 0, done.stderr


def down(lab: Lab) -> None:
    done = lab("down")
    assert done.returncode == 0, done.stderr
    assert lab.traces() == dict.fromkeys(lab.traces(), NOTHING)


def stopped_at(lab: Lab, line: str, signal_number: signal.Signals) -> tuple[int, str]:
    """`lab up`, ended when it says that line: its exit status, and all it said."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        lab.argv("up"), env=lab.env, stderr=pipe, stdout=subprocess.DEVNULL, text=True
    ) as up:
        assert up.stderr
        said = ""
        while line not in said:
            said += up.stderr.readline() or f"\nended without saying {line!r}: {line}"
        up.send_signal(signal_number)
        rest = up.stderr.read() if signal_number is not signal.SIGKILL else ""
    assert "ended without" not in said, said
    return up.returncode, said + rest


def test_a_rack_comes_up_powered_off_and_goes_without_a_trace(lab: Lab) -> None:
    up(lab)
    seen = lab.status()
    assert lab.power() == ALL_OFF
    daemons = ("libvirtd", "consoles", "virtualbmc", "redfish-node-3")
    assert seen["daemons"] == dict.fromkeys(daemons, True)
    assert lab.traces()["namespaces"] == [seen["namespace"]]
    # Somebody's own process inside the rack, as the seed's will be.
    stay = lab.argv("exec", "--", "sh", "-c", "echo inside; exec sleep infinity")
    with subprocess.Popen(stay, env=lab.env, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout
        assert stranger.stdout.readline() == "inside\n"
        down(lab)
        assert stranger.wait() == -signal.SIGTERM
    assert "there is none" in lab("down").stdout


def test_up_again_changes_nothing(standing_rack: Lab) -> None:
    before = standing_rack.status()
    pids = {path.name: path.read_text() for path in standing_rack.rack.glob("*.pid")}
    up(standing_rack)
    assert standing_rack.status() == before
    assert {path.name: path.read_text() for path in standing_rack.rack.glob("*.pid")} == pids


@pytest.mark.parametrize("line", ["network namespace", "libvirtd", "machines", "BMCs"])
def test_up_killed_in_the_middle_can_be_removed(lab: Lab, line: str) -> None:
    stopped_at(lab, line, signal.SIGKILL)
    down(lab)


def test_up_interrupted_says_how_to_go_on_and_how_to_clear_away(lab: Lab) -> None:
    status, said = stopped_at(lab, "libvirtd", signal.SIGINT)
    assert status == 130
    assert f"Go on: undercloud lab up --name {lab.name}" in said
    assert f"Remove the rack: vm-lab/run down --name {lab.name}" in said
    assert "Traceback" not in said
    down(lab)


@pytest.mark.parametrize("line", ["libvirtd", "BMCs"])
def test_up_killed_in_the_middle_can_be_repaired(lab: Lab, line: str) -> None:
    stopped_at(lab, line, signal.SIGKILL)
    up(lab)
    assert all(lab.status()["daemons"].values())
    assert lab.power() == ALL_OFF
    down(lab)


def test_a_rack_whose_daemon_died_says_so_and_is_repaired_with_its_disks(lab: Lab) -> None:
    up(lab, "--nodes", "1")
    disk = next((lab.rack / "disks").iterdir())
    with disk.open("r+b") as file:
        file.write(b"kept")
    subprocess.run(["kill", "-KILL", (lab.rack / "libvirtd.pid").read_text()], check=True)
    assert lab.status()["daemons"]["libvirtd"] is False
    assert lab.power() == {"node-1": "unknown"}
    refused = lab("power", "node-1", "on")
    assert refused.returncode == 1
    assert f"undercloud lab up --name {lab.name}" in refused.stderr
    up(lab, "--nodes", "1")
    assert lab.power() == {"node-1": "off"}
    with disk.open("rb") as file:
        assert file.read(4) == b"kept"
    down(lab)


def test_two_racks_stand_side_by_side(standing_rack: Lab, lab: Lab) -> None:
    up(lab, "--nodes", "1")
    assert lab.power() == {"node-1": "off"}
    assert lab("power", "node-1", "on").returncode == 0
    assert lab.power() == {"node-1": "on"}
    assert standing_rack.power() == ALL_OFF
    down(lab)
    assert standing_rack.power() == ALL_OFF
    assert all(standing_rack.status()["daemons"].values())


def test_another_topology_is_refused_while_the_rack_stands(standing_rack: Lab) -> None:
    refused = standing_rack("up", "--nodes", "2")
    assert refused.returncode == 1
    assert f"undercloud lab down --name {standing_rack.name}" in refused.stderr
    assert standing_rack.power() == ALL_OFF


def test_a_bad_topology_builds_nothing(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(THREE.read_text().replace("firmware: uefi", "firmwear: uefi"))
    refused = lab("up", "--topology", str(file))
    assert refused.returncode == 1
    assert "machines[2].firmwear: unknown key" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert lab.traces() == dict.fromkeys(lab.traces(), NOTHING)


@pytest.mark.parametrize(
    "verb", [("status",), ("console", "node-1"), ("exec", "--", "true"), ("cut-power", "node-1")]
)
def test_a_rack_that_is_not_there(new_lab: Callable[[], Lab], verb: tuple[str, ...]) -> None:
    refused = new_lab()(*verb)
    assert refused.returncode == 1
    assert "there is no rack" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_exec_passes_on_the_exit_code(standing_rack: Lab) -> None:
    assert standing_rack.inside("sh", "-c", "exit 7").returncode == 7
    assert "192.0.2.1/24" in standing_rack.inside("ip", "address", "show", "br-prov").stdout
