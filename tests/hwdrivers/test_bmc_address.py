from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwdrivers.address import AddressError, BMCAddress, Scheme


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.5", "10.0.0.5"),
        (" 10.0.0.5\n", "10.0.0.5"),
        ("10.0.0.5:6230", "10.0.0.5:6230"),
        ("BMC7.Rack.example.", "bmc7.rack.example"),
        ("ipmi://10.0.0.5", "ipmi://10.0.0.5"),
        ("ipmi://10.0.0.5:623", "ipmi://10.0.0.5"),
        ("IPMI://10.0.0.5:6230", "ipmi://10.0.0.5:6230"),
        ("redfish://bmc7", "redfish+https://bmc7"),
        ("https://bmc7/redfish/v1/", "redfish+https://bmc7"),
        ("redfish+https://bmc7:443/redfish/v1/Systems/1/", "redfish+https://bmc7/redfish/v1/Systems/1"),
        ("redfish+http://127.0.0.1:8001", "redfish+http://127.0.0.1:8001"),
        (
            "redfish://h/redfish/v1/Systems/System.Embedded.1",
            "redfish+https://h/redfish/v1/Systems/System.Embedded.1",
        ),
        ("ipmi://[FE80::0001%eth0]:6230", "ipmi://[fe80::1%eth0]:6230"),
        ("2001:db8::5", "[2001:db8::5]"),
    ],
)
def test_what_operators_type(text: str, canonical: str) -> None:
    address = BMCAddress.parse(text)
    assert str(address) == canonical
    assert BMCAddress.parse(canonical) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ipmi://",
        "10.0.0.300",
        "10.0.0.5/24",
        "10.0.0.5:0",
        "10.0.0.5:65536",
        "10.0.0.5:x",
        "ssh://10.0.0.5",
        "a b",
        "-bmc",
        "[::1",
        "[10.0.0.5]",
        "ipmi://h/redfish/v1/Systems/1",
        "redfish://h/Systems/1",
        "redfish://h?x=1",
        "redfish://h/redfish/v1/Systems/1/Bios",
    ],
)
def test_what_is_no_address_says_what_is(text: str) -> None:
    with pytest.raises(AddressError, match=r"; write 10\.0\.0\.5, ipmi://"):
        BMCAddress.parse(text)


@pytest.mark.parametrize("text", ["ipmi://admin:hunter2@10.0.0.5", "admin:hunter2@h", "ssh://a:hunter2@h"])
def test_credentials_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(AddressError, match="name credentials separately") as caught:
        BMCAddress.parse(text)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_ports_and_urls() -> None:
    assert BMCAddress.parse("ipmi://h").port == 623
    assert BMCAddress.parse("redfish://h").base_url == "https://h"
    assert BMCAddress.parse("redfish+http://[::1]:8001").base_url == "http://[::1]:8001"
    assert BMCAddress.parse("h").scheme is None
    assert str(BMCAddress.parse("h").with_scheme(Scheme.IPMI)) == "ipmi://h"
    assert str(BMCAddress.parse("h:6230").with_scheme(Scheme.IPMI)) == "ipmi://h:6230"
    with pytest.raises(AddressError):
        _ = BMCAddress.parse("ipmi://h").base_url


@given(st.text(max_size=60) | st.from_regex(r"(ipmi|redfish|redfish\+http)://.{0,40}", fullmatch=True))
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    try:
        address = BMCAddress.parse(text)
    except AddressError:
        return
    assert BMCAddress.parse(str(address)) == address


@given(
    st.sampled_from(["ipmi", "redfish", "redfish+http"]),
    st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip)),
    st.integers(1, 65535),
)
def test_addresses_survive_a_round_trip(scheme: str, host: str, port: int) -> None:
    address = BMCAddress.parse(f"{scheme}://{host}:{port}")
    assert address.port == port
    assert BMCAddress.parse(str(address)) == address
