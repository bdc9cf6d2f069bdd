"""50 machines fetch an image at once: from a seed as it runs, beside Debian's nginx with sendfile.

Exits with 1 when the seed gives less than 0.8 times nginx's bytes per second, or some machines starve. See
README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from contest import Verdict, alternate, report
from processes import Session, end_like_interrupt

from pxe.build.manifest import MANIFEST, Manifest, describe

TIMES_NGINX = 0.8
STARVED = 3.0  # times as long as the median machine
HOST, SEED_PORT, NGINX_PORT = "192.0.2.1", 8080, 8090
NAMESPACE = f"ucfiles{os.getpid()}"
INSIDE = ["ip", "netns", "exec", NAMESPACE]
NGINX = """
daemon off; user root; worker_processes auto; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen {host}:{port}; root {folder}/images; }}
}}
"""
# In a process of its own. The kernel drops what arrives (MSG_TRUNC, tcp(7)): receiving costs next to nothing.
MACHINES = """
import json, select, socket, sys, time
port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
poll, machines, took, received = select.epoll(), {}, [], 0
began = time.monotonic()
for _ in range(count):
    machine = socket.create_connection((sys.argv[4], port))
    machine.sendall(f"GET {path} HTTP/1.1\\r\\nHost: seed\\r\\nConnection: close\\r\\n\\r\\n".encode())
    machine.setblocking(False)
    machines[machine.fileno()] = machine
    poll.register(machine, select.EPOLLIN)
room = bytearray(1 << 20)
while len(took) < count:
    for number, _ in poll.poll():
        part = machines[number].recv_into(room, len(room), socket.MSG_TRUNC)
        received += part
        if not part:
            poll.unregister(number)
            machines[number].close()
            took.append(time.monotonic() - began)
print(json.dumps({"received": received, "took": sorted(took)}))
"""


def main() -> None:
    options = _options()
    end_like_interrupt()
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        _image(folder, options.megabytes * 1_000_000)
        stack.enter_context(_network())
        for argv, port in ((_seed(folder), SEED_PORT + 1), (_nginx(folder), NGINX_PORT)):
            process = Session(
                subprocess.Popen([*INSIDE, *argv], start_new_session=True, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.stop)
            _until_it_listens(port)
        fetched: dict[str, list[list[float]]] = {"seed": [], "nginx": []}
        ways = {
            "seed": lambda: fetched["seed"].append(_fetch(SEED_PORT + 1, "/images/big", options)),
            "nginx": lambda: fetched["nginx"].append(_fetch(NGINX_PORT, "/big/disk", options)),
        }
        timings = alternate(ways, options.rounds)
        verdicts = _verdicts(timings["seed"].wall, timings["nginx"].wall, fetched["seed"], options)
        title = f"{options.machines} machines fetch {options.megabytes} MB each"
        sys.exit(not report(title, list(timings.values()), verdicts, options.output))


def _verdicts(
    ours: float, peer: float, took: list[list[float]], options: argparse.Namespace
) -> list[Verdict]:
    bytes_ = options.machines * options.megabytes
    slowest = max(run[-1] / run[len(run) // 2] for run in took)
    times = peer / ours
    speed = f"{bytes_ / ours:.0f} MB/s, nginx {bytes_ / peer:.0f}: {times:.2f} times (at least {TIMES_NGINX})"
    fair = f"the slowest machine took {slowest:.2f} times as long as the median one (at most {STARVED})"
    return [Verdict(speed, times >= TIMES_NGINX), Verdict(fair, slowest <= STARVED)]


def _fetch(port: int, path: str, options: argparse.Namespace) -> list[float]:
    argv = [*INSIDE, sys.executable, "-c", MACHINES, str(port), path, str(options.machines), HOST]
    told = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    if told["received"] < options.machines * options.megabytes * 1_000_000:
        sys.exit(f"MISSED: only {told['received']} bytes came from port {port}")
    return list(told["took"])


def _image(folder: Path, size: int) -> None:
    place = folder / "images" / "big"
    place.mkdir(parents=True)
    (place / "disk").write_bytes(os.urandom(size))
    manifest = Manifest(
        name="big",
        kind="os",
        parts={"disk": "disk"},
        files={"disk": describe(place / "disk")},
        disk_format="raw",
        virtual_size=size,
        size=size,
        built="now",
        recipe="none",
    )
    (place / MANIFEST).write_text(manifest.model_dump_json())


def _seed(folder: Path) -> list[str]:
    """A whole seed, as `undercloud seed run` starts it, without DHCP."""
    provisioning = {"interface": "prov0", "address": f"{HOST}/24", "dhcp": "none", "http_port": SEED_PORT}
    config = {
        "provisioning": provisioning,
        "state_dir": str(folder / "state"),
        "images_dir": str(folder / "images"),
        "socket": str(folder / "seed.sock"),
    }
    path = folder / "undercloud.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "bootstrap", "--config", str(path)]
    for words in (("init", "--yes"), ("seed", "stop")):
        subprocess.run([*INSIDE, *command, *words], check=True, capture_output=True)
    return [*command, "seed", "run"]


def _nginx(folder: Path) -> list[str]:
    if subprocess.run(["which", "nginx"], capture_output=True, check=False).returncode:
        sys.exit("nginx is not installed: apt-get install --no-install-recommends nginx-light")
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, host=HOST, port=NGINX_PORT))
    return ["nginx", "-c", str(path)]


def _until_it_listens(port: int) -> None:
    look = ["bash", "-c", f"until : </dev/tcp/{HOST}/{port}; do sleep 0.1; done"]
    subprocess.run([*INSIDE, *look], check=True, timeout=30, stderr=subprocess.DEVNULL)


@contextmanager
def _network() -> Iterator[None]:
    """A namespace in which the seed has its interface; what it sends to itself goes over loopback."""
    cables = f"link add prov0 type veth peer prov1\naddress add {HOST}/24 dev prov0\n"
    cables += "link set prov0 up\nlink set prov1 up\nlink set lo up\n"
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        subprocess.run([*INSIDE, "ip", "-batch", "-"], input=cables.encode(), check=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=50)
    parser.add_argument("--megabytes", type=int, default=90, help="as much as a ramdisk and its kernel")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
