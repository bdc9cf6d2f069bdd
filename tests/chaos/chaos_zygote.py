"""A process that has everything imported and put together, and forks seeds: `start` prints a process id.

`chaos_zygote.py PLACE`, then one command per line: `start`, or `wait PID`, which prints how it ended. A fork
starts a seed in the milliseconds that a thousand restarts need; nothing of one seed's memory reaches the
next, since all are forked from this process, in which nothing ever ran.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
from datetime import timedelta
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "seed"))  # as chaos.py does

import uvicorn
from chaos_far import Fuse, Line
from chaos_site import Place
from fastapi import FastAPI

from bootstrap.compose import Seed, compose, open_store
from bootstrap.config import Config
from bootstrap.listening import network_socket
from seed.conductor import Conductor
from seed.ramdisk import Ramdisk
from seed.steps.finalize_rescue import FinalizeRescue

Faces = tuple[uvicorn.Config, uvicorn.Config]  # for machines, for operators
ENDED_BY_ITSELF = 70
PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    place = Place.parse(sys.argv[1])
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(name)s: %(message)s")
    fuse = Fuse(place.state)
    fuse.watch_commits()
    line = Line(place.rack, fuse)
    config = place.config()
    store = open_store(config)
    rescue = FinalizeRescue(store, Ramdisk(store, line.agent), line.answers_ssh)
    lease = timedelta(seconds=place.lease)
    seed = compose(config, bmc=line.bmc, agent=line.agent, instead=(rescue,), lease=lease)
    faces = (_face(seed.machines), _face(seed.operators))
    if threading.active_count() != 1:
        raise AssertionError("a thread that is running is not forked")
    for order in sys.stdin:
        word, _, number = order.strip().partition(" ")
        print(_start(config, seed, faces) if word == "start" else _ended(int(number)), flush=True)


def _start(config: Config, seed: Seed, faces: Faces) -> int:
    number = os.fork()
    if number == 0:
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            sys.stdin.close()
            _serve(config, seed, faces)
        except BaseException:
            logging.exception("the seed ends by itself")
        finally:
            os._exit(ENDED_BY_ITSELF)
    return number


def _ended(number: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def _serve(config: Config, seed: Seed, faces: Faces) -> None:
    """As bootstrap/serve.py does, without dnsmasq and the power sync."""
    seed.reservations.refresh()
    threading.Thread(target=_conduct, args=(seed.conductor,), name="conductor").start()
    with seed.store.listening(seed.conductor.wake):
        asyncio.run(_listen(config, faces))


def _conduct(conductor: Conductor) -> None:
    try:
        conductor.serve()
    finally:
        logging.exception("the conductor ended")
        os._exit(ENDED_BY_ITSELF)


async def _listen(config: Config, faces: Faces) -> None:
    network = network_socket(str(config.provisioning.machines_address), config.provisioning.http_port)
    config.socket.unlink(missing_ok=True)
    local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    local.bind(str(config.socket))
    servers = zip(map(uvicorn.Server, faces), (network, local), strict=True)
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in servers))


def _face(app: FastAPI) -> uvicorn.Config:
    face = uvicorn.Config(app, access_log=False, log_config=None, lifespan="off")
    face.load()  # imports what it needs
    return face


if __name__ == "__main__":
    main()
