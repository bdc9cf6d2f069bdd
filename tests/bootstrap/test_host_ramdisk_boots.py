"""A host runs from memory for real: SeaBIOS, iPXE and a kernel against dnsmasq and a whole seed.

Its initramfs is a small one, of the deploy ramdisk's busybox and the drivers of its NIC: it takes an address
by DHCP, and calls home with what it finds where cloud-init looks.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from aiohttp import web
from cryptography.fernet import Fernet
from dnsmasq_seed import Log, SeedEnd
from namespaces import ADDRESS, SEED, Cable
from qemu_machine import KNOWN, MAC, powered_on, why_not, wired
from seed_face import Face

from bootstrap.compose import Seed, compose
from bootstrap.config import IMAGES_DIR, read
from hwdrivers.bmc import BootDevice, PowerAction, PowerState
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.fake import FakeBMC
from profiles.site import Site
from pxe.build.manifest import sha512
from pxe.cpio import newc
from seed.declarations import new_node
from seed.milestones import BootJournal
from seed.model import Event

RAMDISK = IMAGES_DIR / "ramdisk-cloud"
DRIVERS = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    *("failover", "net_failover", "virtio_net"),
)
INIT = b"""\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
mount -t devtmpfs dev /dev
for driver in $(cat /drivers/order); do insmod /drivers/$driver; done
ip link set eth0 up
udhcpc -i eth0 -n -q -s /bound
cd /var/lib/cloud/seed/config_drive/openstack/latest || echo NOTHING OF ITS OWN
ls -l user_data
uuid=$(sed -n 's/.*"uuid": "\\(.*\\)".*/\\1/p' meta_data.json)
url=$(sed -n 's/.*url: \\(http.*\\)/\\1/p' user_data)
wget -q -O - --post-data "instance_id=$uuid" "$url" && echo IT CALLED HOME
while true; do sleep 60; done
"""
BOUND = b"""\
#!/bin/busybox sh
[ "$1" != bound ] || ip address add "$ip/$mask" dev "$interface"
"""
LOGIN = Credentials("admin", Secret("correct horse"))


def _why_not() -> str | None:
    if missing := [tool for tool in ("unsquashfs", "cpio") if not shutil.which(tool)]:
        return f"{', '.join(missing)} is not installed"
    return why_not() or (None if (RAMDISK / "manifest.json").exists() else f"{RAMDISK} was not built")


pytestmark = [pytest.mark.lab, pytest.mark.skipif(_why_not() is not None, reason=str(_why_not()))]


class Machine(FakeBMC):
    """A BMC that switches QEMU on and off."""

    def __init__(self, cable: Cable, folder: Path) -> None:
        super().__init__("ipmi://192.0.2.9", credentials=LOGIN, macs=[MAC])
        self._cable = cable
        self._folder = folder
        self._qemu: subprocess.Popen[bytes] | None = None

    def request_power(self, action: PowerAction) -> None:
        super().request_power(action)
        if self.power is PowerState.OFF:
            self.cut_power()
        elif self._qemu is None:
            self.start()

    def start(self) -> None:
        nic = ["-device", f"virtio-net-pci,netdev=net,mac={MAC}", "-boot", "n"]
        self._qemu = powered_on(self._cable, self._folder / "serial", *nic)

    def cut_power(self) -> None:
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
        self._qemu = None


class JournaledLog(Log):
    """dnsmasq's log as the seed reads it."""

    def __init__(self, journal: BootJournal) -> None:
        super().__init__()
        self._journal = journal

    def __call__(self, line: str) -> None:
        self._journal.read(line)
        super().__call__(line)


def build_image(folder: Path) -> None:
    """An image that hosts run from, as `undercloud image add --initramfs` leaves it."""
    folder.mkdir(parents=True)
    shutil.copy(RAMDISK / "kernel", folder / "kernel")
    (folder / "initramfs").write_bytes(_initramfs(folder.parent / "unpacked"))
    files = {
        part: {"sha512": sha512(folder / part), "size": (folder / part).stat().st_size}
        for part in ("kernel", "initramfs")
    }
    manifest = {
        "name": folder.name,
        "kind": "ramdisk",
        "parts": {part: part for part in files},
        "files": files,
        "size": 1,
        "built": "2026-11-23",
        "recipe": "none",
        "kernel_arguments": ["console=ttyS0", "no_timer_check"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _initramfs(scratch: Path) -> bytes:
    scratch.mkdir()
    with (RAMDISK / "initramfs").open("rb") as packed:
        subprocess.run(["cpio", "-id", "--quiet"], cwd=scratch, stdin=packed, check=True)
    drivers = [
        f"usr/lib/modules/*/kernel/{folder}" for folder in ("drivers/virtio", "drivers/net", "net/core")
    ]
    command = ["unsquashfs", "-q", "-n", "-d", "system", "system.squashfs", *drivers]
    shutil.rmtree(scratch / "system")
    subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    found = {path.stem: path.read_bytes() for path in (scratch / "system").rglob("*.ko")}
    order = [driver for driver in DRIVERS if driver in found]  # the others are built into the kernel
    files = {
        "init": INIT,
        "bound": BOUND,
        "bin/busybox": (scratch / "bin/busybox").read_bytes(),
        "drivers/order": "".join(f"{driver}.ko\n" for driver in order).encode(),
        **{f"drivers/{driver}.ko": found[driver] for driver in order},
    }
    shutil.rmtree(scratch)
    return newc(files, programs=("init", "bound", "bin/busybox"), folders=("proc", "dev"))


@contextmanager
def listening(seed: Seed, cable: Cable) -> Iterator[None]:
    """The faces that machines ask, at the seed's end, and the conductor."""

    def listen(port: int) -> socket.socket:
        return cable.inside(lambda: socket.create_server((ADDRESS, port)))

    # A machine that lost power in the middle of a file ends no connection.
    quickly = {"log_config": None, "lifespan": "off", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(seed.machines, **quickly))

    async def serve(scripts: socket.socket, bulk: socket.socket) -> None:
        files = web.AppRunner(seed.files, access_log=None, shutdown_timeout=1)
        await files.setup()
        await web.SockSite(files, bulk).start()
        await server.serve(sockets=[scripts])
        await files.cleanup()

    faces = threading.Thread(target=asyncio.run, args=[serve(listen(8080), listen(8081))])
    conductor = threading.Thread(target=seed.conductor.serve)
    for thread in (faces, conductor):
        thread.start()
    try:
        yield
    finally:
        seed.conductor.stop()
        server.should_exit = True
        for thread in (faces, conductor):
            thread.join()


class Rack:
    """The seed and its one machine."""

    def __init__(self, seed: Seed, machine: Machine) -> None:
        self.seed = seed
        self.machine = machine
        self.operator = Face(seed.operators, "http://seed/v1")

    def events(self, kind: str) -> list[Event]:
        with self.seed.store.read() as tx:
            return [event for event in tx.events.after(0) if event.kind == kind]

    def messages(self) -> list[str]:
        with self.seed.store.read() as tx:
            return [event.message for event in tx.events.after(0)]

    def waits_for(self, kind: str, times: int) -> None:
        deadline = time.monotonic() + 240
        while len(self.events(kind)) < times:
            assert time.monotonic() < deadline, self.messages()
            time.sleep(0.2)


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    build_image(tmp_path / "images" / "live")
    (tmp_path / "undercloud.yaml").write_text(
        f"provisioning: {{interface: {SEED}, address: {ADDRESS}/24, "
        "dhcp_range: [192.0.2.192, 192.0.2.254]}\n"
        f"state_dir: {tmp_path}\nimages_dir: {tmp_path}/images\nsocket: {tmp_path}/seed.sock\n"
    )
    (tmp_path / "secrets.key").write_bytes(Fernet.generate_key())
    (tmp_path / "secrets.key").chmod(0o600)
    with wired() as cable:
        machine, served = Machine(cable, tmp_path), tmp_path / "served"
        served.mkdir()
        seed = compose(read(tmp_path / "undercloud.yaml"), bmc=machine.connect)
        seed.store.migrate()
        node = replace(new_node(machine.address, "rack", "node-1", (MAC,)), state="available")
        host = {"match": {"name": "node-1"}, "image": "live", "deploy": "ramdisk"}
        with seed.store.write() as tx:
            tx.credentials.put("rack", LOGIN)
            tx.nodes.add(node)
            tx.documents.put_site(
                Site.model_validate({"networks": {"provisioning": {"cidr": "192.0.2.0/24"}}, "hosts": [host]})
            )
        end = SeedEnd(cable, served)
        end.enroll(KNOWN)
        try:
            with BootJournal(seed.store, own={ADDRESS}) as journal:
                end.log = JournaledLog(journal)
                with end.serving(), listening(seed, cable):
                    yield Rack(seed, machine)
                    machine.cut_power()
        finally:
            machine.cut_power()
            seed.close()


def test_a_machine_runs_from_memory_calls_home_and_gets_the_same_again(rack: Rack, tmp_path: Path) -> None:
    assert rack.operator.post("/nodes/node-1/verbs/deploy").status_code == 202
    rack.waits_for("run.done", 1)
    node = rack.operator.get("/nodes/node-1").json()
    assert (node["state"], node["next_boot"]) == ("active", "host ramdisk")
    assert (rack.machine.boots_from, rack.machine.boots_always) == (BootDevice.PXE, True)
    said = (tmp_path / "serial").read_text(errors="replace")
    assert "-rw-------" in said
    assert "NOTHING OF ITS OWN" not in said
    why = rack.operator.get("/nodes/node-1/why").json()
    assert (why["verdict"], why["hop"]) == ("up", "first boot")

    rack.machine.cut_power()  # and it comes back
    rack.machine.start()
    rack.waits_for("boot.initramfs", 2)
    assert len(rack.events("boot.host-data")) == 2
    assert rack.events("boot.data-refused") == []
    assert rack.events("destructive") == []
