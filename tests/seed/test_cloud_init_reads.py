"""What we write is what cloud-init understands: the one that is in our image, and netplan beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_first_boot_data import BONDED, OURS, PARTS, SCRIPT, first_boot

from pxe.build.disk import layout
from pxe.images import load_os_image

pytestmark = pytest.mark.lab  # needs a built image, boots nothing

READER = Path(__file__).with_name("cloud_init_reader.py")
PARTITIONS = ("/usr/lib/python3/dist-packages", "/usr/libexec/netplan")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Python modules, netplan's generator and its library of the OS image."""
    images = Path(os.environ.get("UNDERCLOUD_IMAGES", "/var/cache/undercloud/images"))
    found = load_os_image(images, "debian-12")
    folder = tmp_path_factory.mktemp("image")
    raw = folder / "disk.raw"
    subprocess.run(["zstd", "-q", "-d", "--sparse", found.path, "-o", raw], check=True)
    file_system = f"{raw}?offset={layout(found.virtual_size).root.start}"
    commands = [f"rdump {path} {folder}" for path in PARTITIONS]
    commands.append(f"dump /usr/lib/x86_64-linux-gnu/libnetplan.so.0.0 {folder}/libnetplan.so.0.0")
    script = folder / "commands"
    script.write_text("\n".join(commands) + "\n")
    subprocess.run(["debugfs", "-f", script, file_system], check=True, capture_output=True)
    raw.unlink()
    return folder


@pytest.fixture
def understood(image: Path, tmp_path: Path) -> Any:
    def read(**declared: Any) -> dict[str, Any]:
        for name, content in first_boot(**declared).items():
            (tmp_path / name).write_bytes(content)
        argv = [sys.executable, READER, tmp_path]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(image / "dist-packages")}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return read


def units(image: Path, root: Path) -> dict[str, str]:
    """What netplan's generator makes systemd-networkd do, by file name."""
    generate = [str(image / "netplan" / "generate"), "--root-dir", str(root)]
    subprocess.run(generate, env={"LD_LIBRARY_PATH": str(image)}, check=True)
    return {path.name: path.read_text() for path in (root / "run/systemd/network").iterdir()}


def test_bond_and_vlan_become_units_of_networkd(understood: Any, image: Path, tmp_path: Path) -> None:
    network = understood(**BONDED)["netplan"]["network"]
    assert network["bonds"]["bond0"]["interfaces"] == ["eno1", "eno2"]
    assert network["vlans"]["bond0.100"]["link"] == "bond0"
    made = units(image, tmp_path / "root")
    bond = made["10-netplan-bond0.netdev"]
    assert "Kind=bond" in bond
    assert "Mode=802.3ad" in bond
    assert "TransmitHashPolicy=layer3+4" in bond
    assert "MTUBytes=9000" in bond
    assert "Id=100" in made["10-netplan-bond0.100.netdev"]
    vlan = made["10-netplan-bond0.100.network"]
    assert "Address=192.0.2.10/24" in vlan
    assert "Address=2001:db8::10/64" in vlan
    assert "DNS=192.0.2.53" in vlan
    assert "Gateway=192.0.2.1" in vlan
    assert "VLAN=bond0.100" in made["10-netplan-bond0.network"]
    for nic, mac in (("eno1", "52:54:00:00:00:01"), ("eno2", "52:54:00:00:00:02")):
        assert "Bond=bond0" in made[f"10-netplan-{nic}.network"]
        assert mac in made[f"10-netplan-{nic}.link"]
        assert f"Name={nic}" in made[f"10-netplan-{nic}.link"]


def test_the_nic_that_boots_keeps_its_name(understood: Any) -> None:
    (nic,) = understood(address="192.0.2.7")["netplan"]["network"]["ethernets"].items()
    name, said = nic
    assert name == "ens1"
    assert said["addresses"] == ["192.0.2.7/24"]
    assert said["routes"] == [{"to": "0.0.0.0/0", "via": "192.0.2.1"}]


@pytest.mark.parametrize("declared", [SCRIPT, PARTS, "#cloud-config\nhostname: other\npackages: [vim]\n"])
def test_ours_is_what_counts_whatever_is_declared(understood: Any, declared: str) -> None:
    told = understood(user_data=declared, vendor_data={"cloud-init": "#cloud-config\n{}\n"})
    assert told["config"].keys() >= OURS
    assert told["config"]["hostname"] == "one"
    assert told["vendor"] == "#cloud-config\n{}\n"
    if declared in (SCRIPT, PARTS):
        assert "text/x-shellscript" in told["kinds"]
