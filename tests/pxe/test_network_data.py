"""What is wrong with a network_data.json is told by name, before any machine is told it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from pxe.build import ramdisk_network
from pxe.network_data import check

GOOD: dict[str, Any] = {
    "links": [
        {"id": "nic", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01", "vif_id": "of Nova's own"},
        {"id": "bond", "type": "bond", "bond_links": ["nic"], "bond_mode": "802.3ad"},
        {"id": "tagged", "type": "vlan", "vlan_link": "bond", "vlan_id": 205},
    ],
    "networks": [
        {
            "id": "n0",
            "link": "tagged",
            "type": "ipv4",
            "ip_address": "192.0.2.7",
            "netmask": "255.255.255.0",
            "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"}],
        },
        {"id": "n1", "link": "nic", "type": "ipv6", "ip_address": "2001:db8::7", "netmask": "ffff:ffff::"},
        {"id": "n2", "link": "bond", "type": "ipv4_dhcp"},
    ],
    "services": [{"type": "dns", "address": "192.0.2.53"}],
}


def test_what_is_good_is_told_as_it_was_given() -> None:
    assert check(deepcopy(GOOD)) == GOOD


@pytest.mark.parametrize(
    ("where", "key", "value", "words"),
    [
        (("links", 0), "ethernet_mac_address", None, "links.0: .*'nic' of type phy has no ethernet_mac_addr"),
        (("links", 0), "ethernet_mac_address", "5254:1", "links.0.ethernet_mac_address: "),
        (("links", 1), "bond_links", ["eth7"], "link 'bond' is on link 'eth7', which is not there"),
        (("links", 1), "bond_mode", "fastest", "links.1.bond_mode: .*'balance-rr'"),
        (("links", 1), "bond_hash_policy", "layer2 miimon 0", "links.1.bond_hash_policy: "),
        (("links", 2), "vlan_id", 4095, "links.2.vlan_id: .*less than or equal to 4094"),
        (("links", 2), "vlan_link", "", "links.2: .*'tagged' of type vlan has no vlan_link"),
        (("networks", 0), "link", "eth7", "a network of type ipv4 is on link 'eth7', which is not there"),
        (("networks", 0), "netmask", None, "networks.0: .*neither a netmask nor a prefix length"),
        (("networks", 0), "netmask", "255.0.255.0", "networks.0: "),
        (("networks", 0), "ip_address", "2001:db8::7/64", "networks.0: .*is no address of type ipv4"),
        (("networks", 0, "routes", 0), "gateway", "the router", "networks.0.routes.0.gateway: "),
        (("networks", 2), "type", "dhcp", "networks.2.type: "),
        (("services", 0), "address", "192.0.2.53; reboot", "services.0.address: "),
        ((), "links", [], "links: "),
    ],
)
def test_what_is_wrong_is_named(where: tuple[Any, ...], key: str, value: object, words: str) -> None:
    document = deepcopy(GOOD)
    part: Any = document
    for step in where:
        part = part[step]
    part[key] = value
    with pytest.raises(ValueError, match=f"^network data: {words}"):
        check(document)


@pytest.mark.parametrize(
    ("netmask", "length"), [("255.255.254.0", 23), ("0.0.0.0", 0), ("ffff:ffff::", 32), ("::", 0), ("24", 24)]
)
def test_netmasks_of_either_family(netmask: str, length: int) -> None:
    assert ramdisk_network.prefix_length(netmask) == length
