"""The ramdisk's network script: what it asks of iproute2, and what a namespace looks like after it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from namespaces import MACHINE, cable, why_not

from pxe.build import ramdisk_network

MAC = "52:54:00:00:00:01"
NIC = {"id": "nic", "type": "phy", "ethernet_mac_address": MAC.upper(), "mtu": 1400}
STATIC = {
    "id": "network0",
    "link": "nic",
    "type": "ipv4",
    "ip_address": "192.0.2.77",
    "netmask": "255.255.255.0",
    "routes": [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.9"},
        {"network": "198.51.100.0", "netmask": "255.255.254.0", "gateway": "192.0.2.2"},
    ],
    "services": [{"type": "dns", "address": "192.0.2.53"}],
}
IPV6 = {
    "id": "network1",
    "link": "nic",
    "type": "ipv6",
    "ip_address": "fd00:5eed::77",
    "netmask": "ffff:ffff:ffff:ffff::",
    "gateway": "fd00:5eed::9",
}
BONDED: dict[str, Any] = {
    "links": [
        {"id": "a", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"},
        {"id": "b", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:02"},
        {
            "id": "tagged",
            "type": "vlan",
            "vlan_link": "both",
            "vlan_id": 205,
            "vlan_mac_address": "52:54:00:00:00:01",
        },
        {
            "id": "both",
            "type": "bond",
            "bond_links": ["a", "b"],
            "bond_mode": "802.3ad",
            "bond_hash_policy": "layer3+4",
            "ethernet_mac_address": "52:54:00:00:00:01",
        },
    ],
    "networks": [{"id": "n", "link": "tagged", "type": "ipv4", "ip_address": "198.51.100.7/25"}],
}


def configured(
    cable_name: str, data: dict[str, Any], folder: Path
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the script as the ramdisk does, and return what it said and the name servers that it wrote."""
    (folder / "network_data.json").write_text(json.dumps(data))
    servers = folder / "resolv.conf"
    # `ip netns exec` gives it mounts of its own, with the namespace's /sys.
    servers.touch()
    script = (
        f"mount --bind {servers} /etc/resolv.conf && "
        f"exec {sys.executable} -IS {ramdisk_network.__file__} {folder / 'network_data.json'}"
    )
    argv = ["ip", "netns", "exec", cable_name, "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done, servers.read_text()


def ip(name: str, *words: str) -> Any:
    argv = ["ip", "-n", name, "-json", *words]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "")
def test_addresses_routes_and_name_servers_of_a_namespace(tmp_path: Path) -> None:
    with cable(MAC) as laid:
        data = {
            "links": [NIC],
            "networks": [STATIC, IPV6],
            "services": [{"type": "dns", "address": "192.0.2.54"}],
        }
        done, servers = configured(laid.name, data, tmp_path)
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
        [nic] = ip(laid.name, "address", "show", "dev", MACHINE)
        assert nic["mtu"] == 1400
        given = {(a["local"], a["prefixlen"]) for a in nic["addr_info"] if a["scope"] == "global"}
        assert given == {("192.0.2.77", 24), ("fd00:5eed::77", 64)}
        routes = {
            (r["dst"], r["gateway"]) for r in ip(laid.name, "route", "show", "dev", MACHINE) if "gateway" in r
        }
        assert routes == {("default", "192.0.2.9"), ("198.51.100.0/23", "192.0.2.2")}
        [default] = ip(laid.name, "-6", "route", "show", "default", "dev", MACHINE)
        assert default["gateway"] == "fd00:5eed::9"
        assert servers == "nameserver 192.0.2.54\nnameserver 192.0.2.53\n"


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "")
def test_what_dhcp_is_to_configure_is_told_by_its_interface(tmp_path: Path) -> None:
    with cable(MAC) as laid:
        data = {"links": [NIC], "networks": [{"id": "n", "link": "nic", "type": "ipv4_dhcp"}]}
        done, _ = configured(laid.name, data, tmp_path)
        assert (done.returncode, done.stdout.strip()) == (0, MACHINE)


def test_bonds_come_before_vlans_and_members_are_down() -> None:
    names = ramdisk_network.names_of(
        BONDED["links"], {"52:54:00:00:00:01": "eth0", "52:54:00:00:00:02": "eth1"}
    )
    assert ramdisk_network.commands(BONDED, names) == [
        "link add name bond0 address 52:54:00:00:00:01 type bond mode 802.3ad miimon 100"
        " xmit_hash_policy layer3+4",
        "link set dev eth0 down",
        "link set dev eth0 master bond0",
        "link set dev eth1 down",
        "link set dev eth1 master bond0",
        "link add link bond0 name vlan0 address 52:54:00:00:00:01 type vlan id 205",
        "link set dev eth0 up",
        "link set dev eth1 up",
        "link set dev bond0 up",
        "link set dev vlan0 up",
        "address replace 198.51.100.7/25 dev vlan0",
    ]


def test_a_bond_does_without_a_member_that_is_not_there() -> None:
    names = ramdisk_network.names_of(BONDED["links"], {"52:54:00:00:00:02": "eth1"})
    lines = ramdisk_network.commands(BONDED, names)
    assert "link set dev eth1 master bond0" in lines
    assert not [line for line in lines if "eth0" in line]


def test_a_nic_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert not ramdisk_network.configure({"links": [{**NIC, "ethernet_mac_address": "52:54:00:ff:ff:ff"}]}, 0)
    assert "no NIC has MAC 52:54:00:ff:ff:ff; there are: " in capsys.readouterr().err
