"""The commands on simulated BMCs, by the real drivers, with a seed in a process of its own that is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from live_seed import enrol, place
from typer.testing import CliRunner
from vmlab.simulator import Settings, Simulation

from bootstrap.cli import app
from bootstrap.compose import open_store
from bootstrap.config import read
from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint
from hwdrivers.connect import connect
from hwdrivers.credentials import Credentials, Secret
from seed.model import Run

HERE = Path(__file__).parent
IMAGE = "http://10.0.0.1/bios-1.3.0.bin"


class Rack:
    """node-1 and node-3 speak IPMI, node-2 and node-4 Redfish."""

    def __init__(self, folder: Path, fleet: Simulation) -> None:
        self.fleet = fleet
        self.config = place(folder)
        self.store = open_store(read(self.config))
        self.store.migrate()
        login = Credentials("admin", Secret(fleet.settings.password), verify_tls=False)
        with self.store.write() as tx:
            tx.credentials.put("rack", login)
        for number in (1, 2, 3, 4):
            address = self.fleet.addresses[number - 1]
            place_of = fleet.ipmi(address) if number % 2 else fleet.redfish(address)
            bmc = connect(Endpoint(BMCAddress.parse(place_of), login))
            enrol(self.store, f"node-{number}", bmc)
            bmc.close()

    @contextmanager
    def seed(self) -> Iterator[None]:
        """A seed until it is killed."""
        argv = [sys.executable, str(HERE / "live_seed.py"), str(self.config)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "serving\n"
                yield
            finally:
                process.kill()

    def __call__(self, *words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["--config", str(self.config), "node", *words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def does(self, *words: str) -> str:
        code, said, complained = self(*words)
        assert (code, complained) == (0, ""), complained
        return said

    def done(self, number: int) -> list[str]:
        """What was done to the simulated machine."""
        remembered: dict[str, Any] = self.fleet.remembered(self.fleet.addresses[number - 1])
        return list(remembered["done"])

    def run(self, number: int) -> Run:
        with self.store.read() as tx:
            return tx.runs.of_node(tx.nodes.get(f"node-{number}").uuid)[-1]

    def until(self, number: int, words: str) -> None:
        """Wait for that of the node's newest run."""
        while words not in f"{self.run(number).state} {self.run(number).reason}":
            threading.Event().wait(0.02)

    def hurry(self, number: int) -> None:
        """Have the seed look at the run now: it does so when maintenance ends."""
        for wish in ("on", "off"):
            self.does("maintenance", wish, f"node-{number}")


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with Simulation(Settings(bmcs=10)) as fleet:
        yield Rack(tmp_path_factory.mktemp("rack"), fleet)


def test_an_update_outlives_the_seed_by_its_task_monitor(rack: Rack) -> None:
    with rack.seed():
        rack.does("firmware", "update", IMAGE, "node-2", "--component", "BIOS", "--no-wait")
        rack.until(2, "begun")
    # killed: nobody looks now
    assert rack.done(2) == [f"update {IMAGE}"]
    with rack.seed():
        for percent in (25, 50, 75):
            rack.until(2, f"({percent} %)")
            rack.hurry(2)
        rack.until(2, "done")
        said = rack.does("firmware", "list", "node-2")
        assert ["node-2", "BIOS", "BIOS", "1.3.0", "yes"] in [line.split() for line in said.splitlines()]
        assert "BIOS 1.2.3 → 1.3.0" in rack.does("history", "node-2")
    assert rack.done(2) == [f"update {IMAGE}", "updated BIOS"]


def test_power_and_console_of_both_protocols(rack: Rack) -> None:
    with rack.seed():
        argv = [sys.executable, "-m", "bootstrap", "--config", str(rack.config), "node", "console", "node-1"]
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as console:
            assert console.stderr is not None
            assert console.stdout is not None
            assert b"The console of node-1 is open" in console.stderr.readline()
            rack.does("power", "on", "node-1", "node-2", "node-3")
            shown = b""
            while b"Booting from" not in shown:
                shown += console.stdout.read1(100)  # type: ignore[attr-defined]
            console.terminate()
        code, said, complained = rack("power", "status", "--all")
        assert (code, complained) == (0, "")
        assert said.split()[2:] == [
            *("node-1", "power", "on", "node-2", "power", "on"),
            *("node-3", "power", "on", "node-4", "power", "off"),
        ]
        with rack.store.write() as tx:
            node = tx.nodes.get("node-3")
            tx.nodes.update(node.uuid, serial="ANOTHER")
        code, _, complained = rack("power", "off", "node-1", "node-2", "node-3")
        assert (code, complained.splitlines()[-1]) == (1, "1 of 3 failed")
        assert "and node 'node-3' has ANOTHER: nothing was done" in complained
    assert [rack.done(number)[-1] for number in (1, 2, 3)] == ["power off", "power off", "power on"]


def test_who_talks_nonsense_does_not_keep_the_others_from_answering(rack: Rack) -> None:
    rack.fleet.fault("garbled", rack.fleet.addresses[3])
    with rack.seed():
        code, said, complained = rack("sensors", "--all")
    rack.fleet.clear()
    assert code == 1
    assert [f"node-{number}" in said for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert complained.startswith("node-4: cannot ")
    assert complained.endswith("1 of 4 failed\n")


def test_volumes_are_made_once_and_remade_as_the_file_says(rack: Rack, tmp_path: Path) -> None:
    wanted = tmp_path / "volumes.yaml"
    with rack.seed():
        for level in ("1", "1", "0"):
            wanted.write_text(f"logical_disks: [{{size_gb: MAX, raid_level: '{level}', volume_name: root}}]")
            rack.does("raid", "apply", str(wanted), "node-4", "--yes")
    assert [words for words in rack.done(4) if "volume" in words] == [
        *("create volume 1 (RAID1)", "delete volume 1", "create volume 1 (RAID0)"),
    ]
