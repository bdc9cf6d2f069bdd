"""What the first boot of an OS image costs: to an ssh server that answers, and to its call home.

    python tests/bench/os_boot.py IMAGES_DIR NAME... [--times N] [--analyze] [--declare FILE]

QEMU without KVM, one processor, user-mode network: nothing leaves this machine. CPU seconds are those of
QEMU, user and system, and tell more than seconds where other work is going on.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hwdrivers.credentials import Secret
from profiles.hosts import Host
from pxe import configdrive
from pxe.images import load_os_image
from seed.cloud_init import FirstBootData, render

MAC = "52:54:00:12:34:56"
LONGEST = 600  # seconds
ANALYZE = "; ".join(
    (
        "cloud-init status --wait",
        "systemd-analyze",
        "systemd-analyze blame | head -25",
        "systemd-analyze critical-chain",
        "cloud-init analyze show",
        "ip -d link",
        "ip address",
    )
)


class Home:
    """Where the host calls when it is up."""

    def __init__(self) -> None:
        self.called = threading.Event()
        home = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                home.called.set()
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def drive(path: Path, home: Home, declared: dict[str, Any]) -> Path:
    """A config drive with a new key; returns the private key's file."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    data = FirstBootData(
        uuid="bench",
        hostname="bench",
        mac=MAC,
        host=Host.model_validate({"match": {"name": "bench"}, "ssh_keys": [public], **declared}),
        network=None,
        host_key=Secret(private),
        host_key_public=public,
        home_url=f"http://10.0.2.2:{home.server.server_port}/",
    )
    path.write_bytes(configdrive.build(render(data)))
    file = path.with_suffix(".key")
    file.touch(mode=0o600)
    file.write_text(private)
    return file


@contextmanager
def machine(folder: Path, disk: Path, iso: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    disk_file = folder / "disk.raw"
    subprocess.run(["zstd", "-q", "-d", "--sparse", disk, "-o", disk_file], check=True)
    os.truncate(disk_file, 4 * 2**30)
    argv = [
        *("qemu-system-x86_64", "-m", "1024", "-smp", "1", "-display", "none", "-no-reboot"),
        *(
            "-drive",
            f"file={disk_file},if=virtio,cache=unsafe",
            "-drive",
            f"file={iso},if=virtio,format=raw,readonly=on",
        ),
        *("-nic", f"user,model=virtio-net-pci,mac={MAC},hostfwd=tcp:127.0.0.1:{port}-:22,ipv6=off"),
        *("-device", "virtio-rng-pci", "-serial", f"file:{folder / 'serial'}"),
    ]
    process = subprocess.Popen(argv)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def cpu(process: subprocess.Popen[bytes]) -> float:
    """Seconds that it used so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answers_ssh(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(2)
            return connection.recv(4).startswith(b"SSH")
    except OSError:
        return False


def measure(
    images: Path, name: str, declared: dict[str, Any], *, analyze: bool
) -> dict[str, tuple[float, float]]:
    """Seconds since power-on and CPU seconds of QEMU, by milestone."""
    image, home, marks = load_os_image(images, name), Home(), {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as text, home.server:
        folder = Path(text)
        key = drive(folder / "drive.iso", home, declared)
        began = time.monotonic()
        with machine(folder, image.path, folder / "drive.iso", port) as process:
            waits = {"ssh": lambda: answers_ssh(port), "home": home.called.is_set}
            while len(marks) < len(waits) and time.monotonic() - began < LONGEST:
                for milestone, happened in waits.items():
                    if milestone not in marks and happened():
                        marks[milestone] = (time.monotonic() - began, cpu(process))
                time.sleep(0.1)
            if analyze:
                look(port, key)
    return marks


def look(port: int, key: Path) -> None:
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    where = ["-i", str(key), "-p", str(port), "debian@127.0.0.1"]
    subprocess.run(["ssh", *options, *where, ANALYZE], timeout=120, check=False)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("images", type=Path)
    options.add_argument("names", nargs="+")
    options.add_argument("--times", type=int, default=1)
    options.add_argument("--analyze", action="store_true", help="also ask the host what took long")
    options.add_argument("--declare", type=Path, help="YAML of what a declaration could say of the host.")
    given = options.parse_args()
    declared = yaml.safe_load(given.declare.read_text()) if given.declare else {}
    for name in given.names:
        for _ in range(given.times):
            marks = measure(given.images, name, declared, analyze=given.analyze)
            print(
                name,
                *(f"{mark} {wall:.1f}/{used:.1f}" for mark, (wall, used) in marks.items()),
                sep="  ",
                flush=True,
            )


if __name__ == "__main__":
    main()
