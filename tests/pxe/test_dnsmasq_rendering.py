"""dnsmasq's files against their full text."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from firmware_table import complete
from hypothesis import given
from hypothesis import strategies as st

from pxe.dnsmasq import (
    DHCPMode,
    ProvisioningNetwork,
    Reservation,
    Subnet,
    render,
    render_hosts,
    render_options,
)
from pxe.firmware import SNPONLY, UEFILoader

DATA = Path(__file__).parents[1] / "data" / "pxe"
NETWORK = ProvisioningNetwork(
    interface="enp3s0f0",
    network=IPv4Network("192.0.2.0/24"),
    address=IPv4Address("192.0.2.1"),
    first=IPv4Address("192.0.2.192"),
    last=IPv4Address("192.0.2.254"),
)
BASE_URL = "http://192.0.2.1:8080"


SUBNET = Subnet(
    IPv4Network("198.51.100.0/24"),
    IPv4Address("198.51.100.1"),
    IPv4Address("198.51.100.100"),
    IPv4Address("198.51.100.200"),
)
NETWORKS = {
    "dnsmasq.conf": NETWORK,
    "dnsmasq-proxy.conf": replace(NETWORK, mode=DHCPMode.PROXY, first=None, last=None),
    "dnsmasq-relay.conf": replace(
        NETWORK, mode=DHCPMode.RELAY, first=None, last=None, subnets=(SUBNET,), uefi_loader=UEFILoader.GRUB
    ),
    "dnsmasq-strangers.conf": replace(NETWORK, strangers=True),
}


@pytest.mark.parametrize("golden", NETWORKS)
def test_the_configuration_is_what_was_agreed(golden: str) -> None:
    directory = Path("/var/lib/undercloud/dnsmasq")
    text = render(NETWORKS[golden], directory=directory, base_url=BASE_URL, architectures=complete())
    assert text == (DATA / golden).read_text()


def test_a_loader_that_is_not_installed_is_not_offered() -> None:
    absent = replace(complete()[11], ipxe=replace(SNPONLY, path=Path("/nowhere")), signed=None)
    text = render(NETWORK, directory=Path("/x"), base_url=BASE_URL, architectures={11: absent})
    assert "arch11" not in text


@pytest.mark.parametrize("golden", NETWORKS)
def test_dnsmasq_accepts_the_configuration(golden: str, tmp_path: Path) -> None:
    if not shutil.which("dnsmasq"):
        pytest.skip("dnsmasq is not installed")
    configuration = tmp_path / "dnsmasq.conf"
    for name in ("hosts", "opts"):
        (tmp_path / f"dnsmasq.{name}").write_text("")
    configuration.write_text(
        render(NETWORKS[golden], directory=tmp_path, base_url=BASE_URL, architectures=complete())
    )
    command = ["dnsmasq", "--test", f"--conf-file={configuration}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "dnsmasq: syntax check OK.\n"


def test_the_files_about_nodes_are_sorted_and_hold_each_mac_once() -> None:
    known = [
        Reservation("52:54:00:00:00:04", "signed", signed=True, iso_url=f"{BASE_URL}/boot/iso/6a1f"),
        Reservation("52:54:00:00:00:03", "ignore", "192.0.2.103"),
        Reservation("52:54:00:00:00:02", "rack7-node2.example.com"),
        Reservation("52:54:00:00:00:01", "node-1", "192.0.2.101"),
    ]
    assert render_hosts(known) == (DATA / "dnsmasq.hosts").read_text()
    assert render_options(known) == (DATA / "dnsmasq.opts").read_text()
    assert (render_hosts([]), render_options([])) == ("", "")


@given(name=st.text() | st.from_regex(r"[0-9]{1,3}[wdhms]?", fullmatch=True))
def test_no_name_can_add_a_line_or_a_field(name: str) -> None:
    text = render_hosts([Reservation("52:54:00:00:00:01", name, "192.0.2.101")])
    mac, address, *names = text.removesuffix("\n").split(",")
    assert (mac, address) == ("52:54:00:00:00:01", "192.0.2.101")
    assert names in ([], [name])
    assert text.count("\n") == 1
