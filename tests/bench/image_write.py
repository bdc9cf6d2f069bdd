"""An image to a disk inside our ramdisk: the image manager against the best pipelines of plain tools.

One emulated machine (1 CPU, 3 GiB) boots the ramdisk with a script in place of its init, reaches an HTTP
server over a tap device in a network namespace, and writes the same image again and again, in turns. Counted
are CPU seconds of the emulator, which a busy computer changes least, and wall time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BOUND = 0.9
PORT = 8099
SEED = "192.0.2.1"
SERVE = f"""
import http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source, target):
        target.flush()
        self.connection.sendfile(source)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("{SEED}", {PORT}), Handler).serve_forever()
"""
INIT = f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C PYTHONPATH=/bench
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t tmpfs -o size=90% tmpfs /tmp
for module in virtio_pci virtio_blk virtio_net; do modprobe $module; done
sleep 1
nic=$(ls /sys/class/net | grep -v lo | head -n 1)
ip link set lo up; ip link set "$nic" up; ip address add 192.0.2.2/24 dev "$nic"
echo 1 > /proc/sys/kernel/printk
url=http://{SEED}:{PORT}
curl="env LD_LIBRARY_PATH=/bench/lib /bench/curl -sf"
zstd="env LD_LIBRARY_PATH=/bench/lib /bench/zstd"
convert="qemu-img convert -O raw -n -t none -f qcow2 -W -m 8 --target-is-zero"
try() {{
  blkdiscard -f /dev/vda; sync; echo 3 > /proc/sys/vm/drop_caches
  echo; echo "BEGIN $1"; sh -c "$2"; echo "END $1 $?"
}}
export url curl zstd convert
. /bench/ways
echo; echo "BEGIN end"; echo o > /proc/sysrq-trigger; sleep 9
"""
OURS = """
import json, sys
from undercloud_agent.order import ImageOrder
from undercloud_agent.writing import write
write(ImageOrder.read(json.load(open(f"/bench/{sys.argv[1]}.json"))), "/dev/vda")
"""
FETCH = "$curl -o /tmp/image $url/{file}"
QCOW2 = f"{FETCH} && $convert /tmp/image /dev/vda; rm /tmp/image"
CHECKED = f"{FETCH} && sha512sum /tmp/image > /dev/null && $convert /tmp/image /dev/vda; rm /tmp/image"
# What is done in a guest with plain tools; those that are checked prove the checksum, as ours always does.
WAYS = {
    "curl to memory, qemu-img convert": ("disk.qcow2", QCOW2),
    "the same, checked": ("disk.qcow2", CHECKED),
    "curl to memory, qemu-img convert, plain qcow2": ("plain.qcow2", QCOW2),
    "the same, plain qcow2, checked": ("plain.qcow2", CHECKED),
    "curl, zstd, dd conv=sparse": (
        "disk.raw.zst",
        "$curl $url/{file} | $zstd -dc | dd of=/dev/vda bs=1M conv=sparse iflag=fullblock oflag=direct",
    ),
    "as the agent: qemu-img -t directsync -W": (
        "disk.qcow2",
        f"{FETCH} && sha512sum /tmp/image > /dev/null && "
        "qemu-img convert -O host_device -t directsync -W -f qcow2 /tmp/image /dev/vda; rm /tmp/image",
    ),
    "ours: qcow2": ("disk.qcow2", "python3 /bench/ours.py {file}"),
    "ours: plain qcow2": ("plain.qcow2", "python3 /bench/ours.py {file}"),
    "ours: raw, zstd": ("disk.raw.zst", "python3 /bench/ours.py {file}"),
}


@dataclass(frozen=True)
class Timing:
    """One way: seconds of CPU and wall (medians), and what travelled (bytes)."""

    way: str
    cpu: float
    wall: float
    bytes: int
    runs: tuple[float, ...]


def orders(folder: Path, image: Path) -> dict[str, dict[str, object]]:
    """The image in all formats below `folder`, and our order for each."""
    packed, raw = folder / "disk.raw.zst", folder / "disk.raw"
    shutil.copy(image, packed)
    _run("zstd", "-q", "-d", "--sparse", packed, "-o", raw)
    _run("qemu-img", "convert", "-c", "-O", "qcow2", raw, folder / "disk.qcow2")
    _run("qemu-img", "convert", "-O", "qcow2", raw, folder / "plain.qcow2")
    size = raw.stat().st_size
    raw.unlink()
    return {path.name: _order(path, size) for path in sorted(folder.iterdir())}


def _order(path: Path, virtual_size: int) -> dict[str, object]:
    with path.open("rb") as file:
        sha512 = hashlib.file_digest(file, "sha512").hexdigest()
    return {
        "urls": [f"http://{SEED}:{PORT}/{path.name}"],
        "sha512": sha512,
        "size": path.stat().st_size,
        "disk_format": "qcow2" if path.suffix == ".qcow2" else "raw",
        "compression": "zstd" if path.suffix == ".zst" else None,
        "virtual_size": virtual_size,
    }


def initramfs(scratch: Path, ramdisk: Path, found: dict[str, dict[str, object]], rounds: int) -> Path:
    """The ramdisk with our script and the tools of the pipelines in a second archive behind it."""
    bench = scratch / "segment" / "bench"
    bench.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "pxe/build/agent", bench / "undercloud_agent")
    for tool in ("curl", "zstd"):
        _carry(Path(shutil.which(tool) or tool), bench)
    (bench / "init").write_text(INIT)
    (bench / "init").chmod(0o755)
    (bench / "ours.py").write_text(OURS)
    for name, order in found.items():
        (bench / f"{name}.json").write_text(json.dumps(order))
    lines = [f"try '{way}' '{how.format(file=file)}'" for way, (file, how) in WAYS.items()]
    (bench / "ways").write_text("\n".join(lines * rounds) + "\n")
    segment = scratch / "segment.cpio"
    names = "\n".join(str(path.relative_to(bench.parent)) for path in [bench, *sorted(bench.rglob("*"))])
    with segment.open("wb") as out:
        argv = ["cpio", "--create", "--format=newc", "--quiet"]
        subprocess.run(argv, input=names.encode(), stdout=out, cwd=bench.parent, check=True)
    _run("gzip", "-1", segment)
    whole = scratch / "initramfs"
    whole.write_bytes((ramdisk / "initramfs").read_bytes() + segment.with_suffix(".cpio.gz").read_bytes())
    return whole


def _carry(tool: Path, bench: Path) -> None:
    """A tool of this computer and its libraries, but for the C library, which the ramdisk has."""
    shutil.copy(tool, bench)
    (bench / "lib").mkdir(exist_ok=True)
    for line in _run("ldd", tool).splitlines():
        library = line.partition("=> /")[2].partition(" ")[0]
        if library and not Path(library).name.startswith(("libc.so", "libpthread", "libdl")):
            shutil.copy(f"/{library}", bench / "lib")


@contextmanager
def network(folder: Path) -> Iterator[str]:
    """A namespace with a tap device and an HTTP server that serves `folder`."""
    name = f"ucbench{os.getpid()}"
    _run("ip", "netns", "add", name)
    try:
        for words in ("tuntap add tap0 mode tap", f"address add {SEED}/24 dev tap0", "link set tap0 up"):
            _run("ip", "-n", name, *words.split())
        argv = ["ip", "netns", "exec", name, sys.executable, "-c", SERVE]
        with subprocess.Popen(argv, cwd=folder) as server:
            try:
                yield name
            finally:
                server.kill()
    finally:
        _run("ip", "netns", "delete", name)


def watch(machine: subprocess.Popen[bytes]) -> Iterator[tuple[str, float, float]]:
    """Each way with its CPU and wall seconds, as the machine's console tells of them."""
    assert machine.stdout is not None
    begun: dict[str, tuple[float, float]] = {}
    for line in machine.stdout:
        words = line.decode(errors="replace").strip().split(" ", 1)
        now = (_cpu(machine.pid), float(Path("/proc/uptime").read_text().split()[0]))
        if words == ["BEGIN", "end"]:
            return
        if words[0] == "BEGIN":
            begun[words[1]] = now
        elif words[0] == "END":
            way, _, status = words[1].rpartition(" ")
            if status != "0":
                raise SystemExit(f"'{way}' failed with {status}")
            cpu, wall = begun.pop(way)
            print(f"{now[0] - cpu:7.1f} CPU s {now[1] - wall:7.1f} s  {way}", file=sys.stderr)
            yield way, now[0] - cpu, now[1] - wall


def _cpu(pid: int) -> float:
    """Of the emulator, which `ip netns exec` became."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def boot(namespace: str, ramdisk: Path, initrd: Path, disk: Path) -> subprocess.Popen[bytes]:
    with disk.open("wb") as file:
        file.truncate(10 << 30)
    drive = f"file={disk},if=none,id=disk,format=raw,cache=unsafe,discard=unmap"
    argv = [
        "ip",
        "netns",
        "exec",
        namespace,
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-m",
        "3072",
        "-smp",
        "1",
    ]
    argv += ["-nographic", "-no-reboot", "-kernel", str(ramdisk / "kernel"), "-initrd", str(initrd)]
    argv += ["-append", "console=ttyS0 quiet no_timer_check rdinit=/bench/init"]
    argv += ["-drive", drive, "-device", "virtio-blk-pci,drive=disk"]
    argv += ["-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no,vhost=off"]
    argv += ["-device", "virtio-net-pci,netdev=net"]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def measure(images: Path, image: str, rounds: int) -> list[Timing]:
    ramdisk = images / "ramdisk-cloud"
    seen: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="image-write-")))
        folder = scratch / "served"
        folder.mkdir()
        found = orders(folder, images / image / "disk.raw.zst")
        initrd = initramfs(scratch, ramdisk, found, rounds)
        namespace = stack.enter_context(network(folder))
        machine = stack.enter_context(boot(namespace, ramdisk, initrd, scratch / "disk"))
        stack.callback(machine.kill)
        for way, cpu, wall in watch(machine):
            seen.setdefault(way, []).append((cpu, wall))
    return [_timing(way, runs, found[WAYS[way][0]]) for way, runs in seen.items()]


def _timing(way: str, runs: list[tuple[float, float]], order: dict[str, object]) -> Timing:
    cpus, walls = zip(*runs, strict=True)
    return Timing(way, statistics.median(cpus), statistics.median(walls), int(str(order["size"])), cpus)


def _run(*argv: str | Path) -> str:
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=Path("/var/cache/undercloud/images"))
    parser.add_argument("--image", default="debian-12", help="an OS image of ours")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    timings = measure(options.images, options.image, options.rounds)
    ours = min((t for t in timings if t.way.startswith("ours")), key=lambda t: t.cpu)
    peer = min((t for t in timings if not t.way.startswith("ours")), key=lambda t: t.cpu)
    ratio = peer.cpu / ours.cpu
    if options.output == "json":
        print(json.dumps({"timings": [asdict(timing) for timing in timings], "ratio": ratio}))
    else:
        for timing in timings:
            sent = f"{timing.bytes / 1e6:6.0f} MB sent"
            print(f"{timing.cpu:6.1f} CPU s {timing.wall:6.1f} s {sent}  {timing.way}")
        print(
            f"{ratio:.2f} times as fast as the best pipeline (bound: {BOUND}), by CPU: {ours.way}; {peer.way}"
        )
    return 0 if ratio >= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
