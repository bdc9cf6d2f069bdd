"""A real Ironic 39 with no-op drivers: MariaDB, two conductors and the API, each its own process."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from processes import CACHE, Session, Usage, running

VERSION = "39.0.0"
PACKAGES = ("mariadb-server-core", "mariadb-client-core")  # the programs; mariadb-server starts a service
CONDUCTORS = 2
THREADS = 16  # of the client; more get refused connections (the API has 10 threads)
TARGETS = {"manage": "manage", "provide": "provide", "deploy": "active", "delete": "deleted"}
AGAIN = {409, 503}  # the node is locked for a moment; no free worker

CONFIG = """\
[DEFAULT]
auth_strategy = noauth
rpc_transport = json-rpc
debug = false
log_file = {folder}/{name}.log
host = localhost
state_path = {folder}
my_ip = 127.0.0.1
enabled_hardware_types = fake-hardware
enabled_boot_interfaces = fake
enabled_deploy_interfaces = fake
enabled_management_interfaces = fake
enabled_power_interfaces = fake
enabled_inspect_interfaces = no-inspect,fake
enabled_network_interfaces = noop
enabled_storage_interfaces = noop
enabled_bios_interfaces = no-bios,fake
enabled_console_interfaces = no-console
enabled_raid_interfaces = no-raid
enabled_rescue_interfaces = no-rescue
enabled_vendor_interfaces = no-vendor
enabled_firmware_interfaces = no-firmware
default_network_interface = noop
[api]
api_workers = 2
host_ip = 127.0.0.1
port = {api_port}
max_limit = 10000
[database]
connection = mysql+pymysql://{user}@localhost/ironic?charset=utf8mb4&unix_socket={folder}/mariadb.sock
max_pool_size = 50
max_overflow = 100
[conductor]
automated_clean = true
workers_pool_size = 300
# Power sweeps are no part of what is measured, on neither side.
sync_power_state_interval = 0
[oslo_concurrency]
lock_path = {folder}/lock
[json_rpc]
auth_strategy = noauth
host_ip = 127.0.0.1
port = {rpc_port}
"""


class NotInstalled(RuntimeError):
    """Something that the peer needs is missing and cannot be installed from here."""


class Ironic:
    """An Ironic that serves, and the nodes enrolled in it."""

    name = f"Ironic {VERSION}"

    def __init__(self, url: str, nodes: int, sessions: list[Session]) -> None:
        self.nodes = nodes
        self.repeated = 0
        self._sessions = sessions
        self._client = httpx.Client(
            base_url=url, headers={"X-OpenStack-Ironic-API-Version": "latest"}, timeout=120
        )
        self._names = [f"node-{number:05}" for number in range(nodes)]

    def enroll(self) -> None:
        self._for_each(
            lambda name: self._send("POST", "/v1/nodes", {"driver": "fake-hardware", "name": name})
        )

    def ask(self, verb: str) -> None:
        body = {"target": TARGETS[verb]}
        self._for_each(lambda name: self._send("PUT", f"/v1/nodes/{name}/states/provision", body))

    def states(self) -> list[str]:
        answer = self._client.get("/v1/nodes", params={"fields": "name,provision_state", "limit": 10_000})
        answer.raise_for_status()
        return [node["provision_state"] for node in answer.json()["nodes"]]

    def usage(self) -> Usage:
        return sum((session.usage() for session in self._sessions), Usage())

    def _for_each(self, ask: Callable[[str], None]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(ask, self._names))

    def _send(self, method: str, path: str, body: dict[str, str]) -> None:
        for _ in range(100):
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code not in AGAIN:
                answer.raise_for_status()
                return
            self.repeated += 1
            time.sleep(0.1)
        raise RuntimeError(f"Ironic refuses {method} {path} a hundred times: {answer and answer.text}")


@contextmanager
def ironic(nodes: int, folder: Path) -> Iterator[Ironic]:
    """Ironic with `nodes` nodes enrolled; its database and logs lie in `folder` (an absolute path)."""
    programs = install() / "bin"
    with ExitStack() as stack:
        sessions = [stack.enter_context(_mariadb(folder))]
        api_port, *rpc_ports = _free_ports(1 + CONDUCTORS)
        configs = [_configure(folder, f"conductor-{port}", api_port, port) for port in rpc_ports]
        api_config = _configure(folder, "api", api_port, rpc_ports[0])
        schema = [str(programs / "ironic-dbsync"), "--config-file", str(api_config), "create_schema"]
        with (folder / "dbsync.log").open("wb") as log:
            subprocess.run(schema, check=True, stdout=log, stderr=log)
        for config in configs:
            command = [str(programs / "ironic-conductor"), "--config-file", str(config)]
            sessions.append(stack.enter_context(running(command, config.with_suffix(".out"), lambda: True)))
        url = f"http://127.0.0.1:{api_port}"
        command = [str(programs / "ironic-api"), "--config-file", str(api_config)]
        out = api_config.with_suffix(".out")
        sessions.append(stack.enter_context(running(command, out, lambda: _conductors(url) == CONDUCTORS)))
        peer = Ironic(url, nodes, sessions)
        peer.enroll()
        yield peer


@contextmanager
def _mariadb(folder: Path) -> Iterator[Session]:
    """A throw-away server on a Unix socket. It may lose a second of commits in a crash, which is faster."""
    data, created = folder / "mariadb", folder / "create.sql"
    created.write_text("CREATE DATABASE IF NOT EXISTS ironic CHARACTER SET utf8mb4;\n")
    _quietly(
        "mariadb-install-db",
        "--no-defaults",
        f"--user={getpass.getuser()}",
        f"--datadir={data}",
        "--auth-root-authentication-method=normal",
    )
    command = [
        _mariadbd(),
        "--no-defaults",
        f"--user={getpass.getuser()}",
        f"--datadir={data}",
        f"--socket={folder}/mariadb.sock",
        f"--init-file={created}",
        "--skip-networking",
        "--innodb-flush-log-at-trx-commit=2",
        "--innodb-buffer-pool-size=256M",
        "--max-connections=1000",
    ]
    with running(command, folder / "mariadb.log", (folder / "mariadb.sock").exists) as session:
        yield session


def install() -> Path:
    """The virtual environment with Ironic, made once; and MariaDB's server, which no service starts."""
    if not (_mariadbd() and shutil.which("my_print_defaults")):
        if os.geteuid() != 0:
            raise NotInstalled(f"install Debian's {' and '.join(PACKAGES)}, or run this once as root")
        _quietly("apt-get", "update")
        _quietly("apt-get", "install", "-y", "--no-install-recommends", *PACKAGES)
    place = CACHE / f"ironic-{VERSION}"
    whole = place / "whole"  # written last: an interrupted installation is none
    if not whole.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        _quietly(sys.executable, "-m", "venv", "--clear", str(place))
        _quietly(str(place / "bin/pip"), "install", f"ironic=={VERSION}", "pymysql")
        whole.touch()
    return place


def _mariadbd() -> str:
    return shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin") or ""


def _configure(folder: Path, name: str, api_port: int, rpc_port: int) -> Path:
    path = folder / f"{name}.conf"
    user = "root"  # MariaDB's, whatever it runs as here
    path.write_text(CONFIG.format(folder=folder, name=name, api_port=api_port, rpc_port=rpc_port, user=user))
    return path


def _conductors(url: str) -> int:
    """How many conductors the API knows of."""
    try:
        drivers = httpx.get(f"{url}/v1/drivers").json()["drivers"]
    except (httpx.TransportError, ValueError, KeyError):
        return 0
    return sum(len(driver["hosts"]) for driver in drivers)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _quietly(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NotInstalled(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
