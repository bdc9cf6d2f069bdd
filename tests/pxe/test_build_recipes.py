"""What decides an image's content, and the texts that are written into images."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pxe.build import agent_system, os_system
from pxe.build.container import ROLES, ContainerRecipe, recipe
from pxe.build.debian import Archive, Source
from pxe.build.osimage import OSRecipe
from pxe.build.ramdisk import Kernel, RamdiskRecipe
from pxe.build.ramdisk_diet import unneeded_modules
from pxe.process import ProcessError

ARCHIVE = Archive("bookworm", (Source("http://mirror.example.test/debian/", "bookworm", ("main",)),))


def test_every_parameter_and_the_mirror_are_in_the_fingerprint() -> None:
    other = Archive("bookworm", (replace(ARCHIVE.sources[0], components=("main", "contrib")),))
    ramdisk, os_image = RamdiskRecipe(ARCHIVE), OSRecipe(ARCHIVE, "debian-12")
    container = ContainerRecipe(ARCHIVE, "etcd", ROLES["etcd"])
    prints = [
        recipe.fingerprint()
        for recipe in (
            *(ramdisk, replace(ramdisk, kernel=Kernel.GENERIC), replace(ramdisk, agent_version="12.0.0")),
            *(replace(ramdisk, archive=other), os_image, replace(os_image, disk_size=3 << 30), container),
            *(replace(container, role=replace(container.role, folders=())), replace(os_image, archive=other)),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert ramdisk.fingerprint() == RamdiskRecipe(ARCHIVE).fingerprint()


def test_names_are_the_ones_the_seed_asks_for() -> None:
    assert RamdiskRecipe(ARCHIVE).name == "ramdisk-cloud"
    assert RamdiskRecipe(ARCHIVE, Kernel.GENERIC).name == "ramdisk-generic"


def test_an_unknown_container_lists_the_known_ones() -> None:
    with pytest.raises(ProcessError, match="etcd"):
        recipe("no-such-role")


MODULES_DEP = """\
kernel/net/wireless/cfg80211.ko: kernel/net/rfkill/rfkill.ko
kernel/net/tipc/tipc.ko: kernel/net/ipv4/udp_tunnel.ko
kernel/drivers/net/ethernet/acme/acme.ko: kernel/net/tipc/tipc.ko kernel/net/ipv4/udp_tunnel.ko
kernel/net/ipv4/udp_tunnel.ko:
kernel/net/rfkill/rfkill.ko:
"""


def test_a_module_that_a_wired_nic_needs_stays() -> None:
    assert unneeded_modules(MODULES_DEP) == {"kernel/net/wireless/cfg80211.ko"}


@pytest.mark.parametrize(
    "word", ["BOOTIF=01-52-54-00-AA-BB-01", "BOOTIF=52:54:00:aa:bb:01", "BOOTIF=52-54-00-aa-bb-01"]
)
def test_the_nic_that_booted_the_machine_gets_the_preferred_route(tmp_path: Path, word: str) -> None:
    (tmp_path / "cmdline").write_text(f"quiet {word} console=ttyS0\n")
    assert run_generator(tmp_path) == 0
    network = (tmp_path / "run/systemd/network/10-boot-nic.network").read_text()
    assert "MACAddress=52:54:00:aa:bb:01\n" in network
    assert "\nType=" not in network
    assert network.count("RouteMetric=100\n") == 2


def test_without_bootif_all_nics_are_equal(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_text("quiet console=ttyS0\n")
    assert run_generator(tmp_path) == 0
    assert not (tmp_path / "run").exists()


def run_generator(root: Path) -> int:
    """Run the generator as it is in the ramdisk, with the paths it reads and writes moved under `root`."""
    text = agent_system.FILES["usr/lib/systemd/system-generators/undercloud-boot-nic"][0]
    network = root / "etc/systemd/network"
    network.mkdir(parents=True)
    (network / "50-any.network").write_text(agent_system.FILES["etc/systemd/network/50-any.network"][0])
    text = text.replace(" /run/", f" {root}/run/").replace(" /etc/", f" {root}/etc/")
    text = text.replace("/proc/cmdline", f"{root}/cmdline")
    return subprocess.run(["sh", "-c", text], check=False).returncode


def test_both_firmwares_read_one_grub_configuration_that_needs_no_timer() -> None:
    files = os_system.files("7f7a9291-d2b7-58ad-b036-c7b992dd0678", "7F7A-9291")
    assert "linux /vmlinuz root=UUID=7f7a9291-d2b7-58ad-b036-c7b992dd0678 ro" in files["boot/grub/grub.cfg"]
    assert "no_timer_check" in files["boot/grub/grub.cfg"]
    assert "no_timer_check" in files["etc/default/grub"]
    assert files["etc/machine-id"] == ""
