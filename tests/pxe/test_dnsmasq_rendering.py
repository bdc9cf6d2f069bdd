"""dnsmasq's files against their full text."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pxe.dnsmasq import ProvisioningNetwork, Reservation, render, render_hosts

DATA = Path(__file__).parents[1] / "data" / "pxe"
NETWORK = ProvisioningNetwork(
    interface="enp3s0f0",
    network=IPv4Network("192.0.2.0/24"),
    address=IPv4Address("192.0.2.1"),
    first=IPv4Address("192.0.2.192"),
    last=IPv4Address("192.0.2.254"),
)
SCRIPT_URL = "http://192.0.2.1:8080/boot.ipxe"


def test_the_configuration_is_what_was_agreed() -> None:
    text = render(NETWORK, directory=Path("/var/lib/undercloud/dnsmasq"), script_url=SCRIPT_URL)
    assert text == (DATA / "dnsmasq.conf").read_text()


def test_dnsmasq_accepts_the_configuration(tmp_path: Path) -> None:
    if not shutil.which("dnsmasq"):
        pytest.skip("dnsmasq is not installed")
    configuration = tmp_path / "dnsmasq.conf"
    configuration.write_text(render(NETWORK, directory=tmp_path, script_url=SCRIPT_URL))
    command = ["dnsmasq", "--test", f"--conf-file={configuration}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "dnsmasq: syntax check OK.\n"


def test_the_hosts_file_is_sorted_and_holds_each_mac_once() -> None:
    known = [
        Reservation("52:54:00:00:00:03", "ignore", "192.0.2.103"),
        Reservation("52:54:00:00:00:02", "rack7-node2.example.com"),
        Reservation("52:54:00:00:00:01", "node-1", "192.0.2.101"),
    ]
    assert render_hosts(known) == (DATA / "dnsmasq.hosts").read_text()
    assert render_hosts([]) == ""


@given(name=st.text() | st.from_regex(r"[0-9]{1,3}[wdhms]?", fullmatch=True))
def test_no_name_can_add_a_line_or_a_field(name: str) -> None:
    text = render_hosts([Reservation("52:54:00:00:00:01", name, "192.0.2.101")])
    mac, address, *names = text.removesuffix("\n").split(",")
    assert (mac, address) == ("52:54:00:00:00:01", "192.0.2.101")
    assert names in ([], [name])
    assert text.count("\n") == 1
