"""What captures cost: reading 100 MB that are mostly an image's, and listening beside an image's transfer.

    python tests/bench/capture_speed.py        # as root: the second part lays a cable in a network namespace

CPU seconds; in the second part of sender, receiver and kernel together, with the listener and without it,
in turns.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "pxe"))

from namespaces import ADDRESS, MACHINE, SEED, ip, namespace
from wire_frames import ACK, DISCOVER, OFFER, REQUEST, answers, asks, http, write

from pxe.capture.file import read
from pxe.capture.live import Listener

IMAGE_BYTES = 4 << 30
ROUNDS = 5


def frames() -> Iterator[bytes]:
    """A boot, then 100 MB of an image with an acknowledgement for every second frame."""
    yield from (asks(DISCOVER), answers(OFFER), asks(REQUEST), answers(ACK))
    data, acknowledged = http("x" * 1460, answer=True, flags=0x10), http("", flags=0x10)
    for number in range(66_000):
        yield data
        if number % 2:
            yield acknowledged


def reading() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for ng in (False, True):
            path = write(Path(folder) / "image.pcap", frames(), ng=ng)
            began = time.process_time()
            found = read(path)
            spent = time.process_time() - began
            size, name = path.stat().st_size / 1e6, "pcapng" if ng else "pcap"
            what = f"{size:.0f} MB, {found.frames} frames, {len(found.milestones)} milestones"
            print(f"{name}: {what}: {spent:.2f} s")


def listening() -> None:
    with namespace() as seed, namespace() as machine:
        ip(
            "-n",
            seed.name,
            "link",
            "add",
            SEED,
            "type",
            "veth",
            "peer",
            "name",
            MACHINE,
            "netns",
            machine.name,
        )
        ip("-n", seed.name, "address", "add", f"{ADDRESS}/24", "dev", SEED)
        ip("-n", machine.name, "address", "add", "192.0.2.2/24", "dev", MACHINE)
        ip("-n", seed.name, "link", "set", SEED, "up")
        ip("-n", machine.name, "link", "set", MACHINE, "up")
        spent: dict[bool, list[float]] = {False: [], True: []}
        for number in range(2 * ROUNDS):
            heard = bool(number % 2)
            with ExitStack() as stack:
                if heard:
                    listener = Listener(SEED, lambda found: None)
                    seed.inside(listener.__enter__)
                    stack.push(listener.__exit__)
                spent[heard].append(transfer(seed, machine))
        for heard, seconds in spent.items():
            what, median = "with the listener" if heard else "without", sorted(seconds)[len(seconds) // 2]
            print(f"{IMAGE_BYTES >> 30} GiB by TCP {what}: {median:.2f} CPU s (median)")


def transfer(seed, machine) -> float:  # type: ignore[no-untyped-def]
    """CPU seconds of an image from the seed to the machine."""
    server = seed.inside(lambda: socket.create_server((ADDRESS, 8080)))
    client = machine.inside(lambda: socket.socket())
    began = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    client.connect((ADDRESS, 8080))
    wire, _ = server.accept()
    receiver = threading.Thread(target=lambda: all(iter(lambda: client.recv_into(bytearray(1 << 20)), 0)))
    receiver.start()
    with tempfile.TemporaryFile() as image, wire:
        image.truncate(IMAGE_BYTES)
        at = 0
        while at < IMAGE_BYTES:
            at += os.sendfile(wire.fileno(), image.fileno(), at, IMAGE_BYTES - at)
    receiver.join()
    client.close()
    server.close()
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - began


if __name__ == "__main__":
    reading()
    listening()
