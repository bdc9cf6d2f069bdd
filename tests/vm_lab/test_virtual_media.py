"""Where no DHCP answers, a machine boots from its BMC's virtual CD, behind a bond and a tagged VLAN."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from outside import Lab

from pxe.images import Ramdisk, load_ramdisk
from pxe.media import boot_iso
from pxe.media.own_part import content, own_part

pytestmark = pytest.mark.lab

IMAGES = Path(os.environ.get("UNDERCLOUD_IMAGES") or "/var/cache/undercloud/images")
PATIENCE = 600.0  # an emulated machine on a busy computer
MAC = "52:54:00:4c:00:01"
TOPOLOGY = {
    "networks": {
        "provisioning": {"cidr": "192.0.2.0/24", "seed": "192.0.2.1"},
        "bmc": {"cidr": "198.51.100.0/28", "seed": "198.51.100.1"},
    },
    "machines": [
        {
            "name": "node-1",
            "firmware": "uefi",
            "bmc": {
                "protocol": "redfish",
                "address": "198.51.100.2",
                "username": "admin",
                "password": "x-y-z",
            },
            "mac": MAC,
            "address": "192.0.2.101",
            "serial": "LAB00001",
            "disks": [{"size": "5GiB", "serial": "lab00001-a"}],
            "install_on": "lab00001-a",
        }
    ],
}
NETWORK = {
    "links": [
        {"id": "nic", "type": "phy", "ethernet_mac_address": MAC},
        {"id": "bond", "type": "bond", "bond_links": ["nic"], "bond_mode": "active-backup"},
        {"id": "tagged", "type": "vlan", "vlan_link": "bond", "vlan_id": 205},
    ],
    "networks": [
        {
            "id": "network0",
            "link": "tagged",
            "type": "ipv4",
            "ip_address": "203.0.113.77/24",
            "gateway": "203.0.113.1",
        }
    ],
}


class Site:
    """The rack, and the seed in it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder

    def file(self, name: str, content: object) -> str:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        path.chmod(0o600)
        return str(path)

    def does(self, *words: str) -> str:
        done = self.lab.inside("undercloud", *words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def asks(self, *words: str) -> Any:
        return json.loads(self.does(*words, "-o", "json"))

    def begin(self) -> None:
        done = self.lab("up", "--topology", self.file("topology.yaml", TOPOLOGY))
        assert done.returncode == 0, done.stderr
        places = {"state-dir": self.lab.rack / "seed", "socket": self.folder / "s.sock", "images-dir": IMAGES}
        named = [word for name, place in places.items() for word in (f"--{name}", str(place))]
        network = ("--interface", "br-prov", "--cidr", "192.0.2.0/24", "--dhcp", "none")
        self.does("init", "--yes", *network, *named)
        password = self.file("password", "x-y-z")
        login = ("--username", "admin", "--password-file", password, "--insecure")
        self.does("credentials", "add", "lab", *login)
        self.does("node", "enroll", "redfish://198.51.100.2", "--credentials", "lab", "--name", "node-1")
        self.does("node", "manage", "node-1")

    @contextmanager
    def vlan(self) -> Iterator[None]:
        """The provisioning bridge takes VLAN 205 tagged; its router is the seed's machine."""
        port = Path(__file__).with_name("tagged_port.py")
        argv = [sys.executable, str(port), "br-prov", "205", "vlan205", "203.0.113.1/24"]
        process = subprocess.Popen(self.lab.argv("exec", "--", *argv), env=self.lab.env)
        try:
            yield
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def site(new_lab: Callable[[], Lab], tmp_path: Path) -> Site:
    site = Site(new_lab(), tmp_path)
    site.begin()
    return site


def test_without_dhcp_a_machine_is_inspected_through_its_virtual_cd(site: Site) -> None:
    network = site.file("network_data.json", NETWORK)
    site.does("node", "set", "node-1", "--boot-interface", "virtual-media", "--ramdisk-network", network)
    with site.vlan():
        site.does("node", "inspect", "node-1")
    node = site.asks("node", "show", "node-1")
    assert (node["state"], node["inventory"]["disks"][0]["serial"]) == ("manageable", "lab00001-a")
    events = site.asks("events", "--node", "node-1", "--last", "1000")
    said = {event["kind"]: event["message"] for event in events}
    assert said["agent.heartbeat"] == "the agent at 203.0.113.77 is ready"
    assert said["boot.media-fetched"] == "its boot ISO is fetched by 192.0.2.1"
    assert not [kind for kind in said if "dhcp" in kind or kind in ("boot.script", "boot.kernel")]
    [drives] = site.asks("node", "media", "list", "node-1")
    assert {drive["image"] for drive in drives["result"]["slots"]} == {None}


@pytest.fixture(scope="module")
def kernel_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ISO with the ramdisk's kernel, and no system: booting ends where the kernel has spoken."""
    ramdisk = load_ramdisk(IMAGES, "ramdisk-cloud")
    folder = tmp_path_factory.mktemp("iso")
    (folder / "initramfs").write_bytes(bytes(512))
    small = Ramdisk("small", ramdisk.kernel, folder / "initramfs", "0")
    boot_iso.build(small, folder / "base.iso")
    iso = boot_iso.load(folder / "base.iso")
    own = own_part("node-1", ("console=ttyS0", "no_timer_check", "said-by=the-iso"), NETWORK)
    (folder / "boot.iso").write_bytes(b"".join(content(iso, own, 0, iso.size)))
    return folder / "boot.iso"


OVMF = "/usr/share/OVMF/OVMF"
FIRMWARE = {
    "bios": ["-machine", "pc"],
    "secure boot": [
        *("-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}_CODE_4M.secboot.fd"),
    ],
}
SPOKEN = {"bios": "said-by=the-iso", "secure boot": "secureboot: Secure boot enabled"}


@pytest.mark.parametrize("firmware", FIRMWARE)
def test_the_iso_boots_whatever_the_firmware(kernel_alone: Path, firmware: str, tmp_path: Path) -> None:
    console, variables = tmp_path / "console", tmp_path / "variables.fd"
    argv = ["qemu-system-x86_64", *FIRMWARE[firmware], "-m", "1024", "-nic", "none", "-display", "none"]
    argv += ["-cdrom", str(kernel_alone), "-boot", "d", "-no-reboot", "-serial", f"file:{console}"]
    if firmware != "bios":
        shutil.copy(f"{OVMF}_VARS_4M.ms.fd", variables)
        argv += ["-drive", f"if=pflash,format=raw,file={variables}"]
    console.touch()
    machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE
        while SPOKEN[firmware] not in (said := console.read_text(errors="replace")):
            assert machine.poll() is None, said[-2000:]
            assert time.monotonic() < until, said[-2000:]
            time.sleep(0.2)
    finally:
        machine.kill()
        machine.wait()
