"""What decides an image's content, and the texts that are written into images."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pxe.build import os_system
from pxe.build.container import ROLES, ContainerRecipe, recipe
from pxe.build.debian import Archive, Source
from pxe.build.osimage import OSRecipe
from pxe.build.ramdisk import RamdiskRecipe
from pxe.build.ramdisk import recipe as ramdisk_recipe
from pxe.build.ramdisk_diet import unneeded_modules
from pxe.build.ramdisk_packages import Kernel
from pxe.build.tree import FILES
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
            *(replace(ramdisk, firmware=True), replace(ramdisk, extra_packages=("tcpdump",))),
            *(replace(ramdisk, wheels=Path("/srv/wheels")), replace(ramdisk, epoch=1)),
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


def test_firmware_is_for_hardware_and_needs_its_component() -> None:
    with pytest.raises(ProcessError, match="--kernel generic"):
        ramdisk_recipe(Kernel.CLOUD, firmware=True, archive=ARCHIVE)
    assert ramdisk_recipe(Kernel.GENERIC, firmware=True, archive=ARCHIVE).firmware


@pytest.mark.parametrize(
    "word", ["BOOTIF=01-52-54-00-AA-BB-01", "BOOTIF=52:54:00:aa:bb:01", "BOOTIF=52-54-00-aa-bb-01"]
)
def test_the_ramdisk_knows_the_nic_that_booted_the_machine(tmp_path: Path, word: str) -> None:
    assert boot_mac(tmp_path, f"quiet {word} console=ttyS0\n") == "52:54:00:aa:bb:01"


def test_without_bootif_the_ramdisk_prefers_no_nic(tmp_path: Path) -> None:
    assert boot_mac(tmp_path, "quiet console=ttyS0\n") == ""


def boot_mac(folder: Path, command_line: str) -> str:
    """What the function of the ramdisk's init says, with a kernel command line of ours."""
    (folder / "cmdline").write_text(command_line)
    functions, _, _ = (FILES / "usr/lib/undercloud/init").read_text().partition("\nsay init\n")
    script = functions.replace("/proc/cmdline", str(folder / "cmdline")) + "\nboot_mac\n"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_both_firmwares_read_one_grub_configuration_that_needs_no_timer() -> None:
    files = os_system.files("7f7a9291-d2b7-58ad-b036-c7b992dd0678", "7F7A-9291")
    assert "linux /vmlinuz root=UUID=7f7a9291-d2b7-58ad-b036-c7b992dd0678 ro" in files["boot/grub/grub.cfg"]
    assert "no_timer_check" in files["boot/grub/grub.cfg"]
    assert "no_timer_check" in files["etc/default/grub"]
    assert files["etc/machine-id"] == ""


def test_the_initramfs_loads_no_raid_at_every_boot_and_names_no_array_of_the_builder(tmp_path: Path) -> None:
    modules, arrays = tmp_path / "conf/modules", tmp_path / "etc/mdadm/mdadm.conf"
    for file, text in (
        (modules, "linear\nvirtio_net\nraid456\nraid1\nefivarfs\nraid_class\n"),
        (arrays, "HOMEHOST <system>\nARRAY /dev/md0 UUID=1:2:3:4\n"),
    ):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    script = ["sh", "-c", os_system.RAID_HOOK]
    assert subprocess.run([*script, "hook", "prereqs"], capture_output=True, check=True).stdout == b""
    subprocess.run(script, env={"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True)
    assert modules.read_text() == "virtio_net\nraid_class\n"
    assert arrays.read_text() == "HOMEHOST <system>\n"
