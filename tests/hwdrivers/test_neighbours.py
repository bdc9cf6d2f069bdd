"""MACs of neighbours come from the kernel's tables, of either family."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

ASK = """
import json, sys
from hwdrivers.neighbours import Neighbours
neighbours = Neighbours()
print(json.dumps([neighbours.mac(host) for host in sys.argv[1:]]))
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def namespace() -> Iterator[str]:
    if (
        os.geteuid()
        or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("network namespaces need root")
    name = f"ucn{os.getpid()}"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "add", "seed0", "type", "veth", "peer", "name", "bmc0")
        ip("-n", name, "link", "set", "seed0", "up")
        yield name
    finally:
        ip("netns", "delete", name)


def test_macs_of_both_families(namespace: str) -> None:
    for host, mac in (("198.51.100.2", "52:54:00:00:00:02"), ("fd00:5eed::2", "52:54:00:00:00:06")):
        ip("-n", namespace, "neighbour", "add", host, "lladdr", mac, "dev", "seed0", "nud", "permanent")
    asked = ["198.51.100.2", "198.51.100.3", "fd00:5eed::2", "fe80::1%seed0"]
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", ASK, *asked]
    done = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert json.loads(done.stdout) == ["52:54:00:00:00:02", None, "52:54:00:00:00:06", None]
