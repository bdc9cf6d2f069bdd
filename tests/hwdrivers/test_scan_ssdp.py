"""SSDP between two network namespaces: what announces itself inside of the range is found, on any port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

SCAN = """
import json, sys
from hwdrivers.redfish.service_root import RedfishPort
from hwdrivers.scan import Plan, scan
from hwdrivers.targets import parse_targets
found = []
scan(parse_targets(sys.argv[1:]), Plan((), (RedfishPort(443),)), found=lambda f: found.append(str(f.address)))
print(json.dumps(sorted(found)))
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def cable() -> Iterator[tuple[str, str]]:
    """Two namespaces, wired: 198.51.100.1 and fd00:5eed::1; the other end has two addresses of each kind."""
    if (
        os.geteuid()
        or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("network namespaces need root")
    here, there = (f"ucs{os.getpid()}{side}" for side in "ab")
    with ExitStack() as stack:
        for name in (here, there):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "delete", name)
            # Addresses count at once, without a look for others that have them.
            ip("netns", "exec", name, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
        ip("-n", here, "link", "add", "seed0", "type", "veth", "peer", "name", "bmc0", "netns", there)
        ends = {here: ("seed0", [1]), there: ("bmc0", [2, 9])}
        for name, (link, numbers) in ends.items():
            for number in numbers:
                ip("-n", name, "address", "add", f"198.51.100.{number}/24", "dev", link)
                ip("-n", name, "address", "add", f"fd00:5eed::{number}/64", "dev", link, "nodad")
            ip("-n", name, "link", "set", link, "up")
        while not (has_carrier(here, "fd00:5eed::2") and has_carrier(there, "fd00:5eed::1")):
            pass
        yield here, there


def has_carrier(name: str, other: str) -> bool:
    """Whether the kernel would send to the other end by now, and from an address that it has for good."""
    route = ["ip", "-n", name, "-6", "route", "get", other]
    tentative = ["ip", "-n", name, "-6", "address", "show", "tentative"]
    found = [subprocess.run(command, capture_output=True, check=False) for command in (route, tentative)]
    return found[0].returncode == 0 and not found[1].stdout


def test_what_announces_itself_in_the_range_is_found_on_any_port(cable: tuple[str, str]) -> None:
    here, there = cable
    addresses = ["198.51.100.2", "198.51.100.9", "fd00:5eed::2", "fd00:5eed::9"]
    peer = [sys.executable, str(Path(__file__).with_name("ssdp_peer.py")), "bmc0", *addresses]
    inside = ["ip", "netns", "exec"]
    with subprocess.Popen(
        [*inside, there, *peer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "serves\n"
        scan = [*inside, here, sys.executable, "-c", SCAN, "198.51.100.1-4", "fd00:5eed::/126"]
        done = subprocess.run(scan, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        process.stdin.write("\n")
        process.stdin.flush()
        asked = json.loads(process.stdout.readline())
    # The services at .9 and ::9 announced themselves too, and are nobody's business.
    assert json.loads(done.stdout) == [
        "redfish+http://198.51.100.2:8001",
        "redfish+http://[fd00:5eed::2]:8001",
    ]
    assert {question.splitlines()[1] for question in asked} == {
        "HOST: 239.255.255.250:1900",
        "HOST: [ff02::c]:1900",
    }
    assert all("ST: urn:dmtf-org:service:redfish-rest:1" in question.splitlines() for question in asked)
