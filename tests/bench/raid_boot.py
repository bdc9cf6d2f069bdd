"""Software RAID from declaration to a lost disk: a rack deploys two machines, then each disk boots alone.

    python tests/bench/raid_boot.py --images IMAGES_DIR [--folder DIR] [--firmware bios] [--clean]

A BIOS and a UEFI machine with two disks each are deployed with `software_raid: true`. Then QEMU boots what is
on their disks, without changing it: both, the first alone, the second alone, the UEFI machine with its own
boot entries. Each host tells by ssh what its root file system is on. `--clean` deletes the nodes at last and
looks for what is left. Nothing leaves this machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import yaml
from one_machine import Rack

MACHINES = {"bios": ("node-1", 1, "ipmi"), "uefi": ("node-2", 2, "redfish")}
NETWORK = "192.0.2.0/24"
LONGEST = 420  # seconds that one boot may take
ASKS = "cat /proc/mdstat; findmnt -no SOURCE,SIZE /; systemctl --failed --no-legend; ls /dev/md"
MAGIC = bytes.fromhex("fc4e2ba9")  # of a superblock of md, little-endian (include/uapi/linux/raid/md_p.h)


def machine(firmware: str) -> dict[str, object]:
    name, number, protocol = MACHINES[firmware]
    bmc = {"protocol": protocol, "address": f"198.51.100.{number + 1}"}
    return {
        "name": name,
        "firmware": firmware,
        "bmc": bmc | {"username": "admin", "password": "lab-only"},
        "mac": f"52:54:00:4c:00:0{number}",
        "address": f"192.0.2.10{number}",
        "serial": f"LAB0000{number}",
        "disks": [{"size": "6GiB", "serial": serial} for serial in serials(firmware)],
        "install_on": serials(firmware)[0],
    }


def serials(firmware: str) -> list[str]:
    return [f"lab0000{MACHINES[firmware][1]}-{letter}" for letter in "ab"]


def topology(kinds: Sequence[str]) -> str:
    networks = {
        "provisioning": {
            "cidr": NETWORK,
            "seed": "192.0.2.1",
            "ipv6": "2001:db8:1::1/64",
            "interface": "br-prov",
        },
        "bmc": {"cidr": "198.51.100.0/28", "seed": "198.51.100.1"},
    }
    return yaml.safe_dump({"networks": networks, "machines": [machine(kind) for kind in kinds]})


def site(kinds: Sequence[str], key: str) -> str:
    hosts = [
        {
            "match": {"bmc": f"198.51.100.{MACHINES[kind][1] + 1}"},
            "profile": "raid",
            "name": MACHINES[kind][0],
            "hostname": MACHINES[kind][0],
            "macs": [machine(kind)["mac"]],
            "address": machine(kind)["address"],
        }
        for kind in kinds
    ]
    profile = {"image": "debian-12", "ssh_keys": [key], "state": "active", "software_raid": True}
    networks = {"provisioning": {"cidr": NETWORK, "gateway": "192.0.2.1"}}
    return yaml.safe_dump({"networks": networks, "profiles": {"raid": profile}, "hosts": hosts})


def deploy(rack: Rack, folder: Path, images: Path, kinds: Sequence[str]) -> Path:
    """Returns the private key that the hosts take."""
    plan, key, password = folder / "topology.yaml", rack.place / "raid-key", folder / "password"
    plan.write_text(topology(kinds))
    rack.lab("up", "--topology", str(plan), timeout=600)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    password.write_text("lab-only")
    rack.undercloud(
        *("init", "--yes", "--interface", "br-prov", "--cidr", NETWORK, "--images-dir", str(images)),
        *("--state-dir", str(rack.place / "seed"), "--socket", str(rack.place / "seed.sock")),
    )
    login = ("--username", "admin", "--password-file", str(password), "--insecure")
    rack.undercloud("credentials", "add", "lab", *login)
    rack.undercloud("discover", "198.51.100.0/28", "--credentials", "lab", "--enroll")
    declared = folder / "site.yaml"
    declared.write_text(site(kinds, key.with_suffix(".pub").read_text().strip()))
    print(rack.undercloud("apply", str(declared), "--yes"))
    return key


@contextmanager
def booted(kind: str, disks: Sequence[Path], nvram: Path | None, folder: Path) -> Iterator[int]:
    """A machine of these disks, none of which it changes; yields the port of its ssh."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = machine(kind)["address"]
    net = f"user,net={NETWORK},host=192.0.2.1,hostfwd=tcp:127.0.0.1:{port}-{address}:22"
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-m", "1024", "-display", "none", "-snapshot"]
    argv += ["-nic", f"{net},model=virtio-net-pci,mac={machine(kind)['mac']}", "-device", "virtio-rng-pci"]
    argv += ["-serial", f"file:{folder / f'serial-{kind}'}", "-boot", "c"]
    if nvram is not None:
        code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
        argv += ["-machine", "q35", "-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
        argv += ["-drive", f"if=pflash,format=raw,file={nvram}"]
    for disk in disks:
        argv += ["-drive", f"file={disk},if=virtio,format=raw,cache=unsafe"]
    process = subprocess.Popen(argv)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def asks(port: int, key: Path, words: str) -> str:
    options = (
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "ConnectTimeout=5",
    )
    began = time.monotonic()
    while time.monotonic() - began < LONGEST:
        done = subprocess.run(
            ["ssh", *options, "-o", "LogLevel=ERROR", "-i", key, "-p", str(port), "debian@127.0.0.1", words],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 255:
            return f"{time.monotonic() - began:.0f} s to ssh\n{done.stdout}{done.stderr}"
        time.sleep(1)
    raise SystemExit(f"no ssh after {LONGEST} s: {done.stderr}")


def boots(rack: Rack, kind: str, key: Path, folder: Path) -> None:
    disks = [rack.place / "disks" / f"{serial}.raw" for serial in serials(kind)]
    nvram = None
    for title, present in (
        ("both disks", disks),
        ("the first alone", disks[:1]),
        ("the second alone", disks[1:]),
    ):
        if kind == "uefi":
            nvram = Path(shutil.copy(folder / "nvram.fd", folder / "nvram-now.fd"))
        with booted(kind, present, nvram, folder) as port:
            print(f"\n== {kind}, {title}: {asks(port, key, ASKS)}", flush=True)


def traces(disk: Path) -> list[str]:
    """What is left of an array and of the partition table."""
    found = []
    with disk.open("rb") as file:
        if file.read(1024)[512:520] == b"EFI PART":
            found.append("partition table")
        file.seek(-(128 << 20), 2)
        if MAGIC in file.read():
            found.append("superblock of md")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, default=Path("/var/cache/undercloud/images"))
    parser.add_argument("--folder", type=Path, default=Path(".lab"), help="where the rack lives meanwhile")
    parser.add_argument("--name", default="raid")
    parser.add_argument("--firmware", choices=tuple(MACHINES), action="append")
    parser.add_argument("--clean", action="store_true", help="delete the nodes at last")
    given = parser.parse_args()
    kinds = given.firmware or list(MACHINES)
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rack = Rack(given.name, folder, given.images.resolve())
    try:
        key = deploy(rack, folder, given.images.resolve(), kinds)
        nodes = [MACHINES[kind][0] for kind in kinds]
        for event in rack.events():
            if event["kind"] in ("destructive", "image.written"):
                print(event["kind"], event["message"])
        if "uefi" in kinds:
            print(rack.lab("exec", "--", "ssh", *_quiet(key), "debian@192.0.2.102", "sudo efibootmgr -v"))
            shutil.copy(next(rack.place.rglob("nvram/node-2.fd")), folder / "nvram.fd")
        for node in nodes:
            rack.undercloud("node", "power", "soft", node, "--yes")
        with ThreadPoolExecutor() as both:
            list(both.map(lambda kind: boots(rack, kind, key, folder), kinds))
        if given.clean:
            rack.undercloud("node", "delete", *nodes, "--yes")
            for kind in kinds:
                for serial in serials(kind):
                    print(serial, traces(rack.place / "disks" / f"{serial}.raw") or "is clean")
            print(json.dumps(rack.events()[-1]))
    finally:
        rack.lab("down")


def _quiet(key: Path) -> list[str]:
    return ["-i", str(key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]


if __name__ == "__main__":
    sys.exit(main())
