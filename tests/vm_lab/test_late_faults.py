"""Boots that are broken for real from the kernel on, and what `undercloud why` says of each.

One rack of three small machines, of which one is on at a time. The tests stand in an order that shares boots;
one that fails does not end the others, but for those that go on with its machine.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml
from outside import Lab
from vmlab import machines
from vmlab.rack import Rack

from bootstrap.client import Client, Refused
from bootstrap.compose import open_store
from bootstrap.config import read
from pxe.build.manifest import MANIFEST, Manifest, describe
from pxe.cpio import newc
from pxe.diagnosis.diagnose import diagnose
from pxe.diagnosis.diagnosis import Diagnosis
from pxe.milestones import Hop
from seed.boot_times import usual
from seed.boots import Boots

pytestmark = pytest.mark.lab

UNDERCLOUD = Path(__file__).parents[2] / ".venv" / "bin" / "undercloud"
IMAGES = Path(os.environ.get("UNDERCLOUD_IMAGES") or "/var/cache/undercloud/images")
PATIENCE = 900.0  # an emulated machine on a busy computer
LATER = timedelta(hours=3)

NETWORKS = {
    "provisioning": {"cidr": "192.0.2.0/24", "seed": "192.0.2.1"},
    "bmc": {"cidr": "198.51.100.0/28", "seed": "198.51.100.1"},
}
STUCK = "ipmi://127.64.0.1:6230"


def machine(number: int) -> dict[str, Any]:
    """node-2's disk hangs on a SATA controller, node-3's network on an e1000: cloud kernels know neither."""
    disk = {"size": "5GiB", "serial": f"disk-{number}", **({"bus": "sata"} if number == 2 else {})}
    return {
        "name": f"node-{number}",
        "firmware": "bios",
        "bmc": {
            "protocol": "ipmi",
            "address": f"198.51.100.{number + 1}",
            "username": "admin",
            "password": "lab-only",
        },
        "mac": f"52:54:00:4c:01:0{number}",
        "nic": "e1000" if number == 3 else "virtio",
        "address": f"192.0.2.{100 + number}",
        "serial": f"LATE{number}",
        "disks": [disk],
        "install_on": disk["serial"],
    }


class Site:
    """The rack, its seed, and a hand at the rack."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.images = folder / "images"
        self.folder = folder
        self.rack = Rack(lab.name, lab.rack)
        self.bmcs: subprocess.Popen[bytes] | None = None

    def undercloud(self, *words: str) -> str:
        done = self.lab.inside("undercloud", *words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    @cached_property
    def seed(self) -> Client:
        """What the command asks, without starting a command each time."""
        return Client(read(self.lab.rack / "undercloud.yaml"))

    def node(self, name: str) -> dict[str, Any]:
        return dict(self.seed.get(f"/nodes/{name}"))

    def verb(self, verb: str, node: str) -> None:
        self.seed.post(f"/nodes/{node}/verbs/{verb}")

    def idle(self, node: str) -> str:
        """Wait for the end of its run; the state that it leaves the node in."""
        self.until(lambda: self.node(node)["run"] is None, f"the run of {node} ends")
        return str(self.node(node)["state"])

    def why(self, node: str) -> dict[str, Any]:
        """What `undercloud why NODE` prints."""
        return dict(self.seed.get(f"/nodes/{node}/why"))

    def why_later(self, node: str) -> Diagnosis:
        """What `undercloud why` would say in some hours if nothing more were seen."""
        store = open_store(self.seed.config)
        try:
            with store.read() as tx:
                boots = Boots(clock=lambda: datetime.now(UTC) + LATER)
                (told,) = boots.of(tx, tx.nodes.get(node), 1, usual(tx))
                return diagnose(told.attempt)
        finally:
            store.close()

    def events(self, node: str, kind: str) -> list[dict[str, Any]]:
        return list(self.seed.get("/events", node=node, kind=kind, last=1000))

    def signs(self, node: str) -> list[str]:
        return [event["data"]["sign"] for event in self.events(node, "boot.console")]

    def until(self, so: Callable[[], bool], what: str, pause: float = 1) -> None:
        deadline = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < deadline, f"never happened: {what}"
            time.sleep(pause)

    def until_told(self, node: str, diagnosis: str) -> dict[str, Any]:
        """Wait for a diagnosis; an earlier one may be on the way to it."""
        self.until(lambda: self.why(node)["id"] == diagnosis, f"why {node} says {diagnosis}")
        return self.why(node)

    def until_seen(self, node: str, sign: str) -> None:
        """Wait for a telling line of its console, as long as its run is under way."""

        def seen() -> bool:
            assert self.node(node)["run"], self.node(node)["last_error"]
            return sign in self.signs(node)

        self.until(seen, f"the console of {node} shows {sign}")

    def ramdisk(self, initramfs: Path) -> None:
        """Have machines boot with this initramfs from now on."""
        folder = self.images / "ramdisk-cloud"
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in (("kernel", IMAGES / "ramdisk-cloud" / "kernel"), ("initramfs", initramfs)):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(file)
        self._describe(folder, "ramdisk", {"kernel": "kernel", "initramfs": "initramfs"})

    def image(self, name: str, data: bytes) -> Path:
        """A raw image of an operating system."""
        folder = self.images / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "disk.raw").write_bytes(data)
        more = {"disk_format": "raw", "virtual_size": len(data)}
        self._describe(folder, "os", {"disk": "disk.raw"}, **more)
        return folder / "disk.raw"

    def _describe(self, folder: Path, kind: Any, parts: dict[str, str], **more: Any) -> None:
        files = {name: describe(folder / name) for name in parts.values()}
        size = sum(file.size for file in files.values())
        names = {"name": folder.name, "kind": kind, "parts": parts, "files": files}
        made = {"size": size, "built": "2026-01-01T00:00:00+00:00", "recipe": "test"}
        (folder / MANIFEST).write_text(Manifest(**names, **made, **more).model_dump_json())

    def declare(self, node: str, **more: Any) -> None:
        """What the node is to become: a host with the image `silent`."""
        provisioning = {"cidr": "192.0.2.0/24", "gateway": "192.0.2.1", "dns": []}
        host = {
            "match": {"name": node},
            "hostname": node,
            "address": "192.0.2.101",
            "image": "silent",
            **more,
        }
        self.seed.call("PUT", "/profiles", {"networks": {"provisioning": provisioning}, "hosts": [host]})

    def nft(self, *rules: str) -> None:
        """In the rack's network: a firewall that somebody set up on the seed."""
        for rule in rules:
            done = self.lab.inside("nft", rule)
            assert done.returncode == 0, done.stderr

    def disk(self, serial: str) -> Path:
        return self.rack.disk(serial)

    def reset(self, node: str) -> None:
        """The button at the front."""
        with machines.connected(self.rack) as libvirt:
            libvirt.lookupByName(node).reset(0)

    def start_from_disk(self, node: str) -> None:
        """What firmware does that ignores what the BMC asked for."""
        with machines.connected(self.rack) as libvirt:
            domain = libvirt.lookupByName(node)
            domain.destroy()
            libvirt.defineXML(domain.XMLDesc().replace("<boot dev='network'/>", "<boot dev='hd'/>"))
            domain.create()

    def off(self, node: str) -> None:
        """Give its run up, and pull the cord."""
        if self.node(node)["run"]:
            self.verb("abort", node)
        assert self.lab("cut-power", node).returncode == 0

    def begin(self) -> None:
        provisioning = ("--interface", "br-prov", "--cidr", "192.0.2.0/24")
        places = {"images-dir": self.images, "state-dir": self.lab.rack / "seed"}
        places["socket"] = self.lab.rack / "seed.sock"
        named = [word for name, place in places.items() for word in (f"--{name}", str(place))]
        self.undercloud("init", "--yes", *provisioning, *named)
        password = {"username": "admin", "password": "lab-only"}
        self.seed.call("PUT", "/credentials/rack", password)
        for machine in self.lab.status()["machines"]:
            self._enroll(machine["name"], machine["bmc"], machine["mac"], console=machine["console"])
        self._start_stuck_bmc()
        self._enroll("stuck", STUCK, "52:54:00:4c:01:99")
        for node in ("node-1", "node-2", "node-3", "stuck"):
            assert self.idle(node) == "manageable"

    def _enroll(self, name: str, bmc: str, mac: str, **more: str) -> None:
        self.seed.post("/nodes", {"bmc": bmc, "credentials": "rack", "name": name, "macs": [mac]})
        self.seed.call("PATCH", f"/nodes/{name}", more)
        self.verb("manage", name)

    def _start_stuck_bmc(self) -> None:
        """It accepts to be switched on, and does nothing."""
        password = self.folder / "password"
        password.write_text("lab-only")
        simulate = ("simulate", "--bmcs", "1", "--protocol", "ipmi", "--block", "127.64.0.0/24")
        faulty = ("--ipmi-port", "6230", "--password-file", str(password), "--fault", "power-stuck")
        argv = self.lab.argv("exec", "--", str(UNDERCLOUD), "lab", *simulate, *faulty)
        self.bmcs = subprocess.Popen(argv, env=self.lab.env, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        if self.bmcs:
            self.bmcs.send_signal(signal.SIGINT)
            self.bmcs.wait()
        self.lab("down")


@pytest.fixture(scope="module")
def site(lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.geteuid():
        pytest.skip("a rack needs root")
    folder = tmp_path_factory.mktemp("late")
    site = Site(Lab(UNDERCLOUD, f"t{os.getpid()}-late", lab_folder), folder)
    topology = folder / "late.yaml"
    topology.write_text(
        yaml.safe_dump({"networks": NETWORKS, "machines": [machine(number) for number in (1, 2, 3)]})
    )
    try:
        done = site.lab("up", "--topology", str(topology))
        assert done.returncode == 0, done.stderr
        site.begin()
        yield site
    finally:
        site.end()


def program_that_ends() -> bytes:
    """The smallest ELF program (elf(5)): exit(1), which is what process 1 must never do."""
    code = bytes.fromhex("b83c000000 bf01000000 0f05")
    start = 0x400000
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = 120 + len(code)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 4096) + code


def boot_sector(says: bytes) -> bytes:
    """A disk that boots, says this on the BIOS's screen (int 10h, function 0Eh), and halts."""
    code = bytes.fromhex("31c0 8ed8 fc be197c ac 08c0 7409 b40e bb0700 cd10 ebf2 f4 ebfd")
    table = struct.pack("<B3xB3xII", 0x80, 0x83, 1, 2047).ljust(64, b"\0")  # one bootable partition
    return (code + says + b"\0").ljust(446, b"\0") + table + b"\x55\xaa"


def test_a_bmc_that_accepts_and_does_nothing_is_asked(site: Site) -> None:
    """What comes of it is looked at in the end: it takes its time, and no CPU."""
    site.ramdisk(IMAGES / "ramdisk-cloud" / "initramfs")
    site.verb("inspect", "stuck")


def test_a_kernel_that_panics(site: Site) -> None:
    broken = site.folder / "panics"
    broken.write_bytes(newc({"init": program_that_ends()}, programs=("init",)))
    site.ramdisk(broken)
    site.verb("inspect", "node-3")
    told = site.until_told("node-3", "console.panic")
    assert "Attempted to kill init" in told["summary"]
    assert (told["verdict"], told["hop"]) == ("stuck", "agent's report")
    assert json.loads(site.undercloud("why", "node-3", "-o", "json"))["id"] == told["id"]
    site.off("node-3")


def test_a_ramdisk_without_a_driver_for_the_nic(site: Site) -> None:
    site.ramdisk(IMAGES / "ramdisk-cloud" / "initramfs")
    site.verb("inspect", "node-3")
    told = site.until_told("node-3", "ramdisk.no-nic-driver")
    assert "0x8086 0x100e" in told["summary"]
    assert "--kernel generic" in told["causes"][0]["do"]
    site.off("node-3")


def test_an_agent_that_cannot_reach_the_api(site: Site) -> None:
    site.ramdisk(IMAGES / "ramdisk-cloud" / "initramfs")
    site.verb("inspect", "node-2")
    site.until(lambda: bool(site.events("node-2", "boot.initramfs")), "node-2 fetches its ramdisk")
    site.nft("add table inet fault", "add chain inet fault in { type filter hook input priority 0; }")
    site.nft("add rule inet fault in tcp dport 8080 tcp flags syn / syn,ack reject with tcp reset")
    site.until_seen("node-2", "agent-refused")
    told = site.why_later("node-2")
    assert (told.id, told.hop) == ("agent.no-route", Hop.REPORT)
    assert "firewall" in told.causes[0].what


def test_a_ramdisk_without_a_driver_for_the_disk(site: Site) -> None:
    site.nft("delete table inet fault")
    told = site.until_told("node-2", "ramdisk.no-disk-driver")
    assert "storage controller" in told["summary"]
    site.off("node-2")


LOGIN = b"Debian GNU/Linux 12 node-1 ttyS0\r\n\r\nnode-1 login: "
IMAGE = boot_sector(LOGIN) + bytes(2048 * 512 - 512)


def test_a_disk_that_is_not_there(site: Site) -> None:
    site.image("silent", IMAGE)
    site.declare("node-1", root_device={"serial": "nowhere"})
    site.verb("provide", "node-1")
    assert site.idle("node-1") == "available"
    site.verb("deploy", "node-1")
    told = site.until_told("node-1", "image.no-disk-fits")
    assert "disk-1" in told["summary"]
    assert "disk-1" in told["last_error"]


def test_an_image_whose_bytes_changed_after_they_were_checked(site: Site) -> None:
    """The seed read the file for the deploy before, and it has the size and the time that it had."""
    site.declare("node-1", root_device={"serial": "disk-1"})
    file = site.images / "silent" / "disk.raw"
    was = file.stat()
    with file.open("r+b") as image:
        image.seek(4096)
        image.write(b"rotten")
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    site.verb("deploy", "node-1")
    site.until_told("node-1", "image.checksum")


def test_an_image_whose_bytes_changed_before_they_are_checked(site: Site) -> None:
    """The deploy is refused, and the machine is not touched."""
    (site.images / "silent" / "disk.raw").touch()
    state, error = (site.node("node-1")[key] for key in ("state", "last_error"))
    with pytest.raises(Refused, match="is damaged"):
        site.verb("deploy", "node-1")
    assert (state, error) == tuple(site.node("node-1")[key] for key in ("state", "last_error"))


def test_a_host_that_never_calls_home(site: Site) -> None:
    site.image("silent", IMAGE)
    site.verb("deploy", "node-1")
    site.until_seen("node-1", "login")
    told = site.why_later("node-1")
    assert (told.id, told.hop) == ("home.silent-system", Hop.HOME)


def test_a_disk_without_a_bootloader(site: Site) -> None:
    with site.disk("disk-1").open("r+b") as disk:
        disk.write(bytes(512))
    site.reset("node-1")
    told = site.until_told("node-1", "console.no-boot-device")
    assert "not a bootable disk" in told["summary"]
    site.off("node-1")


def test_a_machine_that_boots_from_its_disk_instead_of_the_network(site: Site) -> None:
    with site.disk("disk-1").open("r+b") as disk:
        disk.write(IMAGE[:512])
    before = len(site.events("node-1", "power.on"))
    site.verb("deploy", "node-1")
    site.until(lambda: len(site.events("node-1", "power.on")) > before, "node-1 is switched on", pause=0.1)
    site.start_from_disk("node-1")
    told = site.until_told("node-1", "console.disk-instead-of-network")
    assert "login:" in told["summary"]
    site.off("node-1")


def test_a_machine_that_was_never_switched_on(site: Site) -> None:
    def given_up() -> bool:
        told = site.events("stuck", "step.retry") + site.events("stuck", "step.failed")
        return any(event["message"].startswith("boot_ramdisk") for event in told)

    site.until(given_up, "the BMC is asked again")
    told = site.why_later("stuck")
    assert (told.id, told.hop) == ("power.refused", Hop.POWER)
    assert STUCK in told.summary
