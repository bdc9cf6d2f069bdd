"""A seed whose steps do nothing: the real store, conductor and operators' face, as a process of its own.

`noop_seed.py FOLDER`: serves FOLDER/seed.sock from FOLDER/undercloud.sqlite until SIGTERM. Steps answer
Complete at once; with `--hold FILE` they answer Waiting until FILE is there, and note each time that they are
executed in FOLDER/executed.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path

import uvicorn

import bootstrap.compose  # noqa: F401  the drivers' libraries too: as large in memory as a real seed
from bootstrap.config import Limits
from bootstrap.key import cipher
from seed.api import operators
from seed.api.context import Context
from seed.conductor import Conductor
from seed.declarations import Declarations
from seed.images import Images
from seed.instances import Instances
from seed.lifecycle import ironic_39
from seed.requests import Requests
from seed.step import Complete, Result, Waiting, Walk
from seed.store import Store
from seed.verbs import STEPS

BASE_URL = "http://192.0.2.1:8080"
# What the real steps move a node by, besides being done, and what is limited of what they need.
EVENTS = {"forget_instance": "clean"}
NEEDS = {"boot_ramdisk": "ramdisk boot", "write_image": "image write"}


class NoOp:
    """Does nothing, at once, or when it may."""

    timeout = timedelta(hours=1)
    abortable = True

    def __init__(self, name: str, folder: Path, hold: Path | None, poll: timedelta) -> None:
        self.name = name
        self.needs = NEEDS.get(name)
        self._hold = hold
        self._poll = poll
        self._journal = os.open(folder / "executed", os.O_WRONLY | os.O_CREAT | os.O_APPEND) if hold else None

    def execute(self, walk: Walk) -> Result:
        if self._journal is not None:
            os.write(self._journal, f"{os.getpid()} {walk.run.id} {time.time()}\n".encode())
        if self._hold is None or self._hold.exists():
            return Complete("nothing to do", event=EVENTS.get(self.name))
        return Waiting("leave to go on", self._poll)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hold", type=Path)
    parser.add_argument("--poll", type=float, default=2.0, metavar="SECONDS")
    options = parser.parse_args()
    store = Store(options.folder / "undercloud.sqlite", cipher(options.folder / "secrets.key"))
    store.migrate()
    names = {reference.partition(":")[0] for steps in STEPS.values() for reference in steps}
    poll = timedelta(seconds=options.poll)
    steps = {name: NoOp(name, options.folder, options.hold, poll) for name in names}
    conductor = Conductor(store, ironic_39(), steps, name="bench", limits=Limits().by_need())
    serve(store, conductor, options.folder)


def serve(store: Store, conductor: Conductor, folder: Path) -> None:
    """As bootstrap/serve.py does, without the machines' face and dnsmasq."""
    thread = threading.Thread(target=_conduct, args=(conductor,), name="conductor")
    thread.start()
    instances = Instances(store, Images(folder / "images", BASE_URL, "ramdisk"), BASE_URL)
    requests = Requests(store, ironic_39(), conductor.advance, instances, conductor.wake)
    context = Context(
        "bench", store, ironic_39(), requests, Declarations(store), instances, announce=lambda: None
    )
    try:
        uvicorn.run(
            operators.create(context),
            uds=str(folder / "seed.sock"),
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=2,
            lifespan="off",
        )
    finally:
        conductor.stop()
        thread.join()
        store.close()


def _conduct(conductor: Conductor) -> None:
    try:
        conductor.serve()
    except BaseException:
        os.kill(os.getpid(), signal.SIGTERM)  # a seed that walks no run must not look alive
        raise


if __name__ == "__main__":
    main()
