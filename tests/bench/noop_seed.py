"""A seed whose steps do nothing, as a process of its own; all else is as the product puts it together.

`noop_seed.py FOLDER`: serves FOLDER/seed.sock from FOLDER/undercloud.sqlite until SIGTERM. Steps answer
Complete at once; with `--hold FILE` they answer Waiting until FILE is there, and note each time that they are
executed in FOLDER/executed. `--sweep SECONDS`: how often the power of all nodes is looked at; BMCs in memory
answer at once.
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

from bootstrap.compose import Seed, compose
from bootstrap.config import Config, PowerSyncConfig
from bootstrap.provisioning import Provisioning
from hwdrivers.bmc import BMC, Endpoint, PowerState
from hwdrivers.fake import FakeBMC
from seed.conductor import Conductor
from seed.step import Complete, Result, Waiting, Walk
from seed.verbs import STEPS

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


def configuration(folder: Path, *, sweep: float = 0) -> Config:
    """A seed's, with all that it keeps in `folder`; `sweep`: seconds between two power sweeps, 0: never."""
    network = Provisioning.model_validate(
        {"interface": "lo", "address": "10.0.0.1/24", "dhcp_range": ["10.0.0.128", "10.0.0.254"]}
    )
    return Config(
        provisioning=network,
        state_dir=folder,
        images_dir=folder / "images",
        socket=folder / "seed.sock",
        power_sync=PowerSyncConfig(interval=sweep),
    )


def powered_on(endpoint: Endpoint) -> BMC:
    """The BMC of a machine that is on."""
    bmc = FakeBMC(str(endpoint.address), credentials=endpoint.credentials, power=PowerState.ON)
    return bmc.connect(endpoint)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hold", type=Path)
    parser.add_argument("--poll", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--sweep", type=float, default=0, metavar="SECONDS")
    options = parser.parse_args()
    config = configuration(options.folder, sweep=options.sweep)
    names = {reference.partition(":")[0] for steps in STEPS.values() for reference in steps}
    poll = timedelta(seconds=options.poll)
    steps = [NoOp(name, options.folder, options.hold, poll) for name in sorted(names)]
    serve(config, compose(config, bmc=powered_on, instead=steps))


def serve(config: Config, seed: Seed) -> None:
    """As bootstrap/serve.py does, without the machines' face and dnsmasq."""
    seed.store.migrate()
    thread = threading.Thread(target=_conduct, args=(seed.conductor,), name="conductor")
    thread.start()
    try:
        with seed.power_sync.running():
            uvicorn.run(
                seed.operators,
                uds=str(config.socket),
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=2,
                lifespan="off",
            )
    finally:
        seed.conductor.stop()
        thread.join()
        seed.store.close()


def _conduct(conductor: Conductor) -> None:
    try:
        conductor.serve()
    except BaseException:
        os.kill(os.getpid(), signal.SIGTERM)  # a seed that walks no run must not look alive
        raise


if __name__ == "__main__":
    main()
