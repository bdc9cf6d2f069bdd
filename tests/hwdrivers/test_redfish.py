from __future__ import annotations

import json
from pathlib import Path

import pytest
from certificates import self_signed
from hypothesis import given
from hypothesis import strategies as st
from peers import endpoint, sushy_tools_peer, tree_peer

from hwdrivers.bmc import BootDevice, BootMode, Identity, PowerAction, PowerState
from hwdrivers.errors import BMCError, Busy, ProtocolError, Unreachable, Unsupported
from hwdrivers.mac import normal_mac
from hwdrivers.redfish.driver import Redfish

SYSTEM = "/redfish/v1/Systems/1"


def test_a_recorded_supermicro_with_a_blank_serial() -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.identify() == Identity(
            vendor="Supermicro",
            model="Super Server",
            serial=None,
            uuid="00000000-0000-0000-0000-ac1f6b18a45a",
            firmware="4.0",
            power=PowerState.OFF,
        )
        assert len(bmc.macs()) == 4
        assert bmc.boot_mode() is None
        bmc.close()


def test_the_serial_of_a_dell_is_its_service_tag_as_its_firmware_tells_it() -> None:
    with tree_peer("dell-r820") as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.identify().serial == "G2XBKY1"
        assert (bmc.inventory().serial, bmc.inventory().sku) == ("CN747514CF0014", "G2XBKY1")
        bmc.close()


def test_the_session_is_opened_once_and_closed() -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.power_state()
        assert (peer.state()["logins"], peer.state()["sessions"]) == (["admin"], ["token1"])
        bmc.close()
        assert peer.state()["sessions"] == []


@pytest.mark.parametrize(
    ("device", "enabled"),
    [(BootDevice.PXE, "Once"), (BootDevice.CDROM, "Once"), (BootDevice.DISK, "Continuous")],
)
def test_the_network_once_and_the_disk_for_good(device: BootDevice, enabled: str) -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.set_boot_device(device)
        assert peer.state()["boot"]["BootSourceOverrideEnabled"] == enabled
        bmc.set_boot_device(device, always=True)  # of hosts that are on no disk
        assert peer.state()["boot"]["BootSourceOverrideEnabled"] == "Continuous"
        bmc.close()


def test_parts_that_answer_404_are_absent() -> None:
    answers = {f"GET {SYSTEM}/EthernetInterfaces/2": (404, "{}"), "GET /redfish/v1/Managers/1": (404, "{}")}
    with tree_peer("supermicro-x10", answers) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.identify().firmware is None
        assert len(bmc.macs()) == 3
        bmc.close()


def test_no_nics_at_all() -> None:
    with tree_peer("supermicro-x10", {f"GET {SYSTEM}/EthernetInterfaces": (404, "{}")}) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.macs() == ()
        bmc.close()


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (200, "<html>welcome</html>", ProtocolError, False),
        (200, "[1]", ProtocolError, False),
        (404, "{}", Unsupported, False),
        (429, "{}", Busy, True),
        (503, "{}", Busy, True),
    ],
)
def test_what_services_answer_becomes_our_errors(
    status: int, body: str, kind: type[BMCError], retryable: bool
) -> None:
    with tree_peer(
        "supermicro-x10", {"GET /redfish/v1/Systems": (status, body, {"Retry-After": "0"})}
    ) as peer:
        with pytest.raises(kind) as caught:
            Redfish(endpoint(peer.address))
        assert caught.value.retryable is retryable
        assert peer.address in str(caught.value)
        assert peer.state()["sessions"] == []


def test_a_refusal_of_what_is_already_so_is_no_error() -> None:
    """iDRAC answers 409 to a power on of what is on."""
    reset = f"POST {SYSTEM}/Actions/ComputerSystem.Reset"
    with tree_peer("supermicro-x10", {reset: (409, "{}")}) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.request_power(PowerAction.OFF)
        with pytest.raises(Busy):
            bmc.request_power(PowerAction.ON)
        bmc.close()


@pytest.mark.parametrize("value", [None, 5, [], {}, "Maybe"])
def test_a_power_state_that_is_none_is_not_guessed(value: object) -> None:
    document = json.dumps({"Id": "1", "PowerState": value})
    with tree_peer("supermicro-x10", {f"GET {SYSTEM}": (200, document)}) as peer:
        bmc = Redfish(endpoint(peer.address))
        with pytest.raises(BMCError):
            bmc.power_state()
        bmc.close()


def test_several_systems_need_a_path(tmp_path: Path) -> None:
    pytest.importorskip("sushy_tools")
    with sushy_tools_peer(tmp_path, systems=2) as peer:
        paths = [f"/redfish/v1/Systems/00000000-0000-4000-8000-00000000000{n}" for n in (1, 2)]
        with pytest.raises(BMCError, match="there are 2 systems behind it; use one of ") as caught:
            Redfish(endpoint(peer.address))
        assert all(peer.address + path in str(caught.value) for path in paths)
        bmc = Redfish(endpoint(peer.address + paths[1]))
        assert bmc.identify().uuid == paths[1].rpartition("/")[2]
        assert bmc.boot_mode() is BootMode.UEFI
        bmc.close()
        with pytest.raises(BMCError, match="it has no /redfish/v1/Systems/9; use one of "):
            Redfish(endpoint(peer.address + "/redfish/v1/Systems/9"))


def test_a_self_signed_certificate(tmp_path: Path) -> None:
    pytest.importorskip("sushy_tools")
    certificate, key = self_signed(tmp_path)
    with sushy_tools_peer(tmp_path, tls=(certificate, key)) as peer:
        with pytest.raises(Unreachable, match="give its certificate with --ca-file") as caught:
            Redfish(endpoint(peer.address))
        assert not caught.value.retryable
        for trust in ({"ca_file": certificate}, {"verify_tls": False}):
            bmc = Redfish(endpoint(peer.address, **trust))
            assert bmc.power_state() is PowerState.OFF
            bmc.close()


def test_the_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with tree_peer("supermicro-x10") as peer:
        Redfish(endpoint(peer.address)).close()


@given(st.text() | st.integers() | st.none())
def test_a_mac_is_normal_or_none(value: object) -> None:
    mac = normal_mac(value)
    assert mac is None or normal_mac(mac) == mac


@pytest.mark.parametrize("text", ["AC-1F-6B-18-A4-5A", "ac1f.6b18.a45a", "AC:1F:6B:18:A4:5A", "ac1f6b18a45a"])
def test_macs_have_one_spelling(text: str) -> None:
    assert normal_mac(text) == "ac:1f:6b:18:a4:5a"


@pytest.mark.parametrize(
    "text", ["", "00:00:00:00:00:00", "N/A", "80:00:02:08:fe:80:00:00:00:00:00:00", "ac1f6b"]
)
def test_what_is_no_mac(text: str) -> None:
    assert normal_mac(text) is None
