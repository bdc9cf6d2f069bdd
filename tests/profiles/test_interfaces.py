"""Bonds, VLANs and addresses fit together, or the file, line and key are told."""

from __future__ import annotations

import pytest

from profiles.document import DocumentError, parse
from profiles.site import Site

HEAD = "hosts:\n- match: {serial: A}\n  interfaces:\n"


def read(interfaces: str, more: str = "") -> Site:
    return parse(HEAD + interfaces + more, Site, source="site.yaml")


def test_a_bond_with_a_vlan_is_read() -> None:
    (host,) = read(
        "  - {name: eno1, mac: 52-54-00-00-00-01}\n"
        "  - {name: eno2}\n"
        "  - {name: bond0, mtu: 9000, bond: {mode: 802.3ad, interfaces: [eno1, eno2], lacp_rate: fast}}\n"
        "  - name: bond0.100\n"
        "    vlan: {id: 100, link: bond0}\n"
        "    addresses: [192.0.2.10/24, 2001:DB8::10/64]\n"
        "    routes: [{via: 192.0.2.1}, {to: 2001:db8:1::/48, via: 2001:db8::1}]\n"
        "    dns: [192.0.2.53]\n"
    ).hosts
    nic, _, bond, vlan = host.interfaces
    assert nic.mac == "52:54:00:00:00:01"
    assert bond.bond is not None
    assert (bond.bond.mode, bond.bond.miimon) == ("802.3ad", 100)
    assert vlan.addresses == ("192.0.2.10/24", "2001:db8::10/64")
    assert vlan.routes[0].to == "default"


@pytest.mark.parametrize(
    ("interfaces", "told"),
    [
        (
            "  - {name: eno1}\n  - {name: eno1}\n",
            "4: hosts.0.interfaces.0.name: interface eno1 is declared twice",
        ),
        ("  - {name: a name}\n", "4: hosts.0.interfaces.0.name: 'a name' is no name of an interface"),
        (
            "  - {name: an-interface-of-linux}\n",
            "4: hosts.0.interfaces.0.name: 'an-interface-of-linux' is no name",
        ),
        (
            "  - {name: bond0, bond: {mode: lacp, interfaces: [eno1]}}\n",
            "4: hosts.0.interfaces.0.bond.mode: Input",
        ),
        (
            "  - {name: bond0, bond: {mode: 802.3ad, interfaces: [eno1]}}\n",
            "4: hosts.0.interfaces.0.bond.interfaces: bond0: interface eno1 is not declared",
        ),
        (
            "  - {name: eno1, dhcp4: true}\n  - {name: bond0, bond: {mode: 802.3ad, interfaces: [eno1]}}\n",
            "5: hosts.0.interfaces.1.bond.interfaces: bond0: eno1 has addresses of its own, which",
        ),
        (
            "  - {name: eno1}\n  - {name: team0, bond: {mode: 802.3ad, interfaces: [eno1]}}\n",
            "5: hosts.0.interfaces.1.name: cloud-init will call team0 bond0: so name it",
        ),
        (
            "  - {name: eno1}\n  - {name: storage, vlan: {id: 7, link: eno1}}\n",
            "5: hosts.0.interfaces.1.name: cloud-init will call storage eno1.7: so name it",
        ),
        (
            "  - {name: x.7, vlan: {id: 7, link: x}}\n",
            "4: hosts.0.interfaces.0.vlan.link: interface x is not",
        ),
        (
            "  - {name: a}\n  - {name: a.4095, vlan: {id: 4095, link: a}}\n",
            "5: hosts.0.interfaces.1.vlan.id: ",
        ),
        (
            "  - {name: a, addresses: [192.0.2.1]}\n",
            "4: hosts.0.interfaces.0.addresses.0: '192.0.2.1' has no prefix",
        ),
        (
            "  - {name: a, routes: [{via: 192.0.2.1}]}\n",
            "4: hosts.0.interfaces.0: it has routes and no address",
        ),
        ("  - {name: a, mac: 52:54}\n", "4: hosts.0.interfaces.0.mac: '52:54' is no MAC address of a NIC"),
        (
            "  - {name: a, mtu: 9}\n",
            "4: hosts.0.interfaces.0.mtu: Input should be greater than or equal to 68",
        ),
    ],
)
def test_what_does_not_fit_together(interfaces: str, told: str) -> None:
    with pytest.raises(DocumentError) as error:
        read(interfaces)
    assert f"site.yaml:{told}" in str(error.value)


def test_the_address_of_a_host_is_on_an_interface() -> None:
    network = "networks: {provisioning: {cidr: 192.0.2.0/24}}\n"
    with pytest.raises(DocumentError, match="none of its interfaces has the address"):
        read("  - {name: a, addresses: [192.0.2.6/24]}\n", "  address: 192.0.2.5\n" + network)
    for addresses in ("[192.0.2.5/24]", '["{{ host.address }}/24"]'):
        read(f"  - {{name: a, addresses: {addresses}}}\n", "  address: 192.0.2.5\n" + network)
