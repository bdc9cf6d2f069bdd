from __future__ import annotations

import socket

import pytest

from hwdrivers.local import LocalNIC, UnknownInterface, list_nics, local_nic


def test_the_interfaces_that_the_kernel_has() -> None:
    names = {name for _, name in socket.if_nameindex()} - {"lo"}
    assert {nic.name for nic in list_nics()} == names


def test_an_interface_that_is_not_there_names_those_that_are() -> None:
    nics = (
        LocalNIC("br0", operstate="up", addresses=("10.0.0.1/24",), virtual=True, bridge=True),
        LocalNIC("eno1", driver="ixgbe", operstate="down"),
    )
    assert local_nic("eno1", nics).driver == "ixgbe"
    with pytest.raises(UnknownInterface) as caught:
        local_nic("eth0", nics)
    assert str(caught.value) == (
        "interface 'eth0' does not exist; there are: br0 (bridge, up, 10.0.0.1/24), eno1 (ixgbe, down)"
    )
