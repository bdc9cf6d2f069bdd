"""A seed over machines in memory that listens where the command finds it: face, conductor and captures."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import uvicorn
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from bootstrap.cli import app
from bootstrap.compose import Seed, compose
from bootstrap.config import read
from hwdrivers.bmc import BMC, Identity
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.fake import FakeBMC, FakeRack
from seed.declarations import new_node
from seed.model import Event, Node, Run
from seed.store import Store

CONFIG = """\
provisioning: {{interface: lo, address: 10.0.0.1/24, dhcp_range: [10.0.0.128, 10.0.0.254]}}
state_dir: {0}
images_dir: {0}/images
socket: {0}/seed.sock
power_sync: {{interval: 0}}
"""
LOGIN = Credentials("admin", Secret("correct horse"))


def fake(address: str, number: int, **more: Any) -> FakeBMC:
    """A BMC whose machine is called node-`number`."""
    identity = Identity(vendor="Acme", model="R1", serial=f"SERIAL-{number}")
    return FakeBMC(address, credentials=LOGIN, identity=identity, **more)


def place(folder: Path) -> Path:
    """A configuration and a key; the configuration."""
    config = folder / "undercloud.yaml"
    config.write_text(CONFIG.format(folder))
    (folder / "secrets.key").write_bytes(Fernet.generate_key())
    (folder / "secrets.key").chmod(0o600)
    return config


def enrol(store: Store, name: str, bmc: BMC) -> None:
    """A node that is manageable, as `manage` leaves it."""
    node = new_node(bmc.address, "rack", name, ())
    told, abilities = bmc.identify(), {key.value: asdict(can) for key, can in bmc.abilities().items()}
    node = replace(node, state="manageable", serial=told.serial, model=told.model, vendor=told.vendor)
    with store.write() as tx:
        tx.nodes.add(node)
        tx.nodes.update(node.uuid, abilities=abilities, power=bmc.power_state().value)


@contextmanager
def serving(seed: Seed, config: Path) -> Iterator[None]:
    """Listen, and walk runs."""
    settings = uvicorn.Config(seed.operators, uds=str(read(config).socket), log_config=None, lifespan="off")
    server = uvicorn.Server(settings)
    threads = [
        threading.Thread(target=seed.conductor.serve),
        threading.Thread(target=server.run, daemon=True),
    ]
    for thread in threads:
        thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        with seed.captures.running():
            yield
    finally:
        server.should_exit = True
        seed.conductor.stop()
        for thread in threads:
            thread.join()
        seed.close()


class LiveSeed:
    """The seed, and the command as somebody types it."""

    def __init__(self, folder: Path, *bmcs: FakeBMC) -> None:
        self.config = place(folder)
        self.bmcs = bmcs
        self.seed = compose(read(self.config), bmc=FakeRack(*bmcs).connect)
        self.seed.store.migrate()
        with self.seed.store.write() as tx:
            tx.credentials.put("rack", LOGIN)
        for number, bmc in enumerate(bmcs, 1):
            enrol(self.seed.store, f"node-{number}", bmc)

    def __call__(self, *words: str, keys: str | None = None) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["--config", str(self.config), "node", *words], input=keys)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def does(self, *words: str) -> str:
        code, said, complained = self(*words)
        assert (code, complained) == (0, ""), complained
        return said

    # -- how the world looks -------------------------------------------------------------------------

    def node(self, number: int = 1) -> Node:
        with self.seed.store.read() as tx:
            return tx.nodes.get(f"node-{number}")

    def put(self, number: int, **facts: Any) -> None:
        with self.seed.store.write() as tx:
            node = tx.nodes.get(f"node-{number}")
            state = facts.pop("state", None)
            if state:
                tx.nodes.move(node, state, None)
            tx.nodes.update(node.uuid, **facts)

    def events(self, kind: str, number: int = 1) -> list[Event]:
        with self.seed.store.read() as tx:
            return tx.events.newest(1000, node=self.node(number).uuid, kind=kind)

    def runs(self, number: int = 1) -> list[Run]:
        with self.seed.store.read() as tx:
            return tx.runs.of_node(self.node(number).uuid)

    def deeds(self, number: int = 1) -> list[str]:
        return [deed.what for deed in self.bmcs[number - 1].deeds]


if __name__ == "__main__":  # a seed that can be killed, over BMCs that listen
    where = Path(sys.argv[1])
    with serving(compose(read(where)), where):
        print("serving", flush=True)
        signal.pause()
