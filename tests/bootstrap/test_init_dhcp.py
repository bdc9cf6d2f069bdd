"""What `init` makes of the options about DHCP, given what was configured before."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest

from bootstrap.cli.init import _provisioning, _subnet
from bootstrap.provisioning import Provisioning
from pxe.dnsmasq import DHCPMode

SERVER = Provisioning(
    interface="prov0",
    address=IPv4Interface("192.0.2.1/24"),
    dhcp_range=(IPv4Address("192.0.2.100"), IPv4Address("192.0.2.120")),
    http_port=8081,
)
SUBNET = _subnet("198.51.100.0/24,198.51.100.1,198.51.100.100-198.51.100.200")
RELAY = SERVER.model_copy(update={"dhcp": DHCPMode.RELAY, "subnets": (SUBNET,)})


def change(present: Provisioning, **given: Any) -> Provisioning:
    return _provisioning(present, None, None, given)


def test_what_is_not_named_stays() -> None:
    assert change(SERVER) == SERVER
    assert change(RELAY) == RELAY
    assert change(SERVER, http_port=8082) == SERVER.model_copy(update={"http_port": 8082})


@pytest.mark.parametrize("mode", [DHCPMode.PROXY, DHCPMode.NONE])
def test_a_mode_that_leases_nothing_forgets_the_range_and_gets_one_again(mode: DHCPMode) -> None:
    beside = change(RELAY, dhcp=mode)
    assert (beside.dhcp_range, beside.subnets, beside.http_port) == (None, (), 8081)
    again = change(beside, dhcp=DHCPMode.SERVER)
    assert again.dhcp_range == (IPv4Address("192.0.2.192"), IPv4Address("192.0.2.254"))


def test_subnets_come_with_relays_and_go_with_them() -> None:
    relayed = change(SERVER, dhcp=DHCPMode.RELAY, subnets=(SUBNET,))
    assert (relayed.subnets, relayed.dhcp_range) == ((SUBNET,), SERVER.dhcp_range)
    assert change(relayed, dhcp=DHCPMode.SERVER).subnets == ()
