"""How BMCs behave, as operators see it: over simulated BMCs that count what they were sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner
from vmlab.simulator import Settings, Simulation

from bootstrap.cli import app
from bootstrap.compose import Seed, compose
from bootstrap.config import read
from hwdrivers.address import BMCAddress
from hwdrivers.credentials import Credentials, Secret
from seed.declarations import new_node

CONFIG = """\
provisioning: {{interface: lo, address: 10.0.0.1/24, dhcp_range: [10.0.0.128, 10.0.0.254]}}
state_dir: {0}
images_dir: {0}/images
socket: {0}/seed.sock
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    with Simulation(Settings(bmcs=2, latency="0")) as simulation:
        yield simulation


class Operator:
    """Types commands; no seed listens, so each command is a seed that starts and ends."""

    def __init__(self, folder: Path, fleet: Simulation) -> None:
        self.config = folder / "undercloud.yaml"
        self.config.write_text(CONFIG.format(folder))
        (folder / "secrets.key").write_bytes(Fernet.generate_key())
        (folder / "secrets.key").chmod(0o600)
        seed = self.seed()
        seed.store.migrate()
        seed.close()
        self.give(fleet.settings.password)
        seed = self.seed()
        with seed.store.write() as tx:
            for number, bmc in enumerate((fleet.ipmi(fleet.addresses[0]), fleet.redfish(fleet.addresses[1]))):
                tx.nodes.add(new_node(BMCAddress.parse(bmc), "rack", f"node-{number}", ()))
        seed.close()

    def seed(self) -> Seed:
        return compose(read(self.config))

    def give(self, password: str) -> None:
        seed = self.seed()
        with seed.store.write() as tx:
            tx.credentials.put("rack", Credentials("admin", Secret(password)))
        seed.close()

    def manage(self, number: int) -> str:
        """A seed that starts, walks the verb and ends; returns the node's state."""
        self("node", "manage", f"node-{number}")
        seed = self.seed()
        seed.conductor.run_until_idle()
        with seed.store.read() as tx:
            state = tx.nodes.get(f"node-{number}").state
        seed.close()
        return state

    def __call__(self, *words: str) -> str:
        done = CliRunner().invoke(app, ["--config", str(self.config), *words], env={"COLUMNS": "200"})
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.stderr
        return done.stdout


@pytest.fixture
def operator(tmp_path: Path, fleet: Simulation) -> Operator:
    return Operator(tmp_path, fleet)


def test_a_technician_sees_at_once_what_is_wrong(operator: Operator, fleet: Simulation) -> None:
    operator.give("mistyped")
    before = fleet.totals()["unfinished"]
    for _ in range(3):
        assert operator.manage(0) == "enroll"
    assert fleet.totals()["unfinished"] == before + 1
    shown = re.sub(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-22 12:00:00", operator("node", "bmc", "stats", "node-0")
    )
    assert shown.splitlines() == [
        f"bmc                  {fleet.ipmi(fleet.addresses[0])} (who made it is not known)",
        "asked now            yes",
        "refused log-ins      1, not sent again: 2026-11-22 12:00:00 UTC",
        "sessions             0 open, 0 in use",
        "rate                 20.5 requests a second",
        "answered             1",
        "failures             1 LogInRefused",
        shown.splitlines()[-1],
    ]
    assert re.fullmatch(
        r"latency              half within [\d.]+ ms, 95 % within [\d.]+ ms", shown.splitlines()[-1]
    )
    operator.give(fleet.settings.password)
    assert operator.manage(0) == "manageable"


def test_a_mended_bmc_is_asked_again_after_a_reset(operator: Operator, fleet: Simulation) -> None:
    operator.give("mistyped")
    operator.manage(1)
    told = operator("node", "bmc", "reset", "node-1")
    assert "The BMC of 'node-1' is asked again" in told
    assert json.loads(operator("node", "bmc", "stats", "node-1", "-o", "json"))["refused_logins"] == []


def test_so_is_one_by_its_address_as_the_error_says(operator: Operator, fleet: Simulation) -> None:
    operator.give("mistyped")
    operator.manage(1)
    operator.manage(1)
    shown = operator("node", "show", "node-1")
    command = re.search(r"`undercloud (bmc reset \S+)` has it asked at once", shown)
    assert command is not None
    operator(*command[1].split())
    assert json.loads(operator("node", "bmc", "stats", "node-1", "-o", "json"))["refused_logins"] == []


def test_nothing_stays_open_when_a_seed_ends(operator: Operator, fleet: Simulation) -> None:
    assert [operator.manage(number) for number in (0, 1)] == ["manageable"] * 2
    assert fleet.totals()["sessions"] == 0
    assert fleet.totals()["sessions_most"] == 1


def test_what_was_learnt_is_told_by_model(operator: Operator) -> None:
    for number in (0, 1):
        operator.manage(number)
    rows = json.loads(operator("bmc", "learnt", "-o", "json"))
    assert sum(row["bmcs"] for row in rows) == 2
    assert all(row["latency"]["p50"] > 0 for row in rows)
    assert operator("bmc", "learnt").split()[:3] == ["VENDOR", "MODEL", "BMCS"]


def test_a_node_shows_what_its_bmc_can_do(operator: Operator) -> None:
    operator.manage(0)
    shown = operator("node", "show", "node-0")
    (can,) = [line for line in shown.splitlines() if line.startswith("can ")]
    (cannot,) = [line for line in shown.splitlines() if line.startswith("cannot ")]
    assert {"power", "boot device"} <= set(can.removeprefix("can").strip().split(", "))
    assert "virtual media (IPMI has none)" in cannot
    assert "abilities" not in shown
