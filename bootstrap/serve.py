"""Run the seed: dnsmasq, the conductor and the two HTTP faces in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvicorn
from aiohttp import web
from fastapi import FastAPI

from bootstrap.compose import Seed, compose
from bootstrap.config import Config
from bootstrap.leading import Leading
from bootstrap.listening import network_socket
from bootstrap.preflight import check_interface
from bootstrap.process import AlreadyRunning, is_up
from pxe.capture.live import Listener
from pxe.daemon import Dnsmasq, NoDnsmasq
from pxe.dnsmasq import DHCPMode, render
from pxe.firmware import required, stage
from pxe.tftp import TFTPServer
from seed.conductor import Conductor
from seed.milestones import BootJournal

log = logging.getLogger(__name__)


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    leading: list[Leading] = []
    check_interface(config.provisioning)
    with ExitStack() as stack:
        stack.enter_context(_alone(config))
        seed = compose(config, reload_dhcp=lambda: leading[0].reload() if leading else None)
        gc.freeze()  # what is loaded by now stays: collecting through it takes a third of a Redfish sweep
        stack.callback(seed.close)
        seed.store.migrate()
        configuration = _configure(config)
        leading.append(_leading(config, seed, configuration))
        stack.enter_context(leading[0])
        stack.enter_context(_conducting(seed.conductor))
        stack.enter_context(seed.store.listening(seed.conductor.wake))
        stack.enter_context(seed.learnt.kept(seed.governor))
        stack.enter_context(seed.power_sync.running())
        stack.enter_context(seed.captures.running())
        stack.enter_context(seed.ejecting.running())
        asyncio.run(_listen(config, seed))


@contextmanager
def _alone(config: Config) -> Iterator[None]:
    """Hold the state directory's lock: whoever has it knows that every older lease is a dead worker's."""
    with config.lock_file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"a seed is running on {config.state_dir} already") from None
        if is_up(config):
            raise AlreadyRunning(
                f"a seed with another state directory than {config.state_dir} listens on {config.socket}; "
                "stop that one, or configure another socket"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _configure(config: Config) -> Path:
    """Write dnsmasq's configuration and stage the boot loaders."""
    directory, network = config.dnsmasq_dir, config.provisioning.network()
    path = directory / "dnsmasq.conf"
    if config.provisioning.serves_tftp:
        stage(directory / "tftp", required=required(network.uefi_loader))
    if network.mode is not DHCPMode.NONE:
        path.write_text(render(network, directory=directory, base_url=config.provisioning.base_url))
    return path


def _leading(config: Config, seed: Seed, configuration: Path) -> Leading:
    return Leading(
        seed.store,
        config.name,
        config.provisioning,
        lambda: _answering(config, seed, configuration),
        seed.reservations.keep_up,
    )


@contextmanager
def _answering(config: Config, seed: Seed, configuration: Path) -> Iterator[Dnsmasq | NoDnsmasq]:
    """dnsmasq, or TFTP alone, and an ear on the wire for what their logs cannot tell."""
    provisioning = config.provisioning
    if not provisioning.serves_tftp:
        yield NoDnsmasq()
        return
    listener = Listener(provisioning.interface, lambda found: journal.hear(found))
    journal = BootJournal(
        seed.store,
        own={str(provisioning.address.ip), str(provisioning.machines_address)},
        proxy=provisioning.dhcp in (DHCPMode.PROXY, DHCPMode.NONE),
        heard=listener.alive,
    )
    if provisioning.embedded_tftp:
        root, address = config.dnsmasq_dir / "tftp", str(provisioning.machines_address)
        with journal, listener, TFTPServer(root, address, journal.sent):
            yield NoDnsmasq()
        return
    with journal, listener, Dnsmasq(configuration, journal.read) as dnsmasq:
        yield dnsmasq


@contextmanager
def _conducting(conductor: Conductor) -> Iterator[None]:
    stopping = False

    def conduct() -> None:
        try:
            conductor.serve()
        finally:
            if not stopping:  # it died: a seed that answers but walks no run would only look alive
                os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=conduct, name="conductor")
    thread.start()
    try:
        yield
    finally:
        stopping = True
        conductor.stop()
        thread.join()


class _Server(uvicorn.Server):
    """uvicorn raises a caught SIGTERM again and would end the process before dnsmasq is stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _listen(config: Config, seed: Seed) -> None:
    """Serve all faces until a signal arrives or one of them ends."""
    address = str(config.provisioning.machines_address)
    network = network_socket(address, config.provisioning.http_port)
    files = web.AppRunner(seed.files, access_log=None)
    await files.setup()
    await web.SockSite(files, network_socket(address, config.provisioning.port_of_files)).start()
    faces = [
        (_Server(_settings(seed.machines)), network),
        (_Server(_settings(seed.operators)), _local_socket(config.socket)),
    ]

    def stop() -> None:
        for server, _ in faces:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    tasks = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in faces]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop()
    await asyncio.gather(*tasks)
    await files.cleanup()
    config.socket.unlink(missing_ok=True)


def _settings(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(app, access_log=False, log_config=None, timeout_graceful_shutdown=2, lifespan="off")


def _local_socket(path: Path) -> socket.socket:
    """A socket that only its owner can open: whoever opens it is an operator."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    return listener
