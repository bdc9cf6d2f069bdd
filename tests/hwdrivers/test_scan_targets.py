"""What is excluded is not asked, and further ports are written strictly."""

from __future__ import annotations

import pytest

from hwdrivers.address import Scheme
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.factory_logins import factory_logins, is_factory_login
from hwdrivers.redfish.service_root import RedfishPort
from hwdrivers.scan_ssdp import Announcement, read_announcement
from hwdrivers.targets import RangeError, parse_port, parse_targets


def test_excluded_ranges_are_left_out() -> None:
    left = parse_targets(["10.0.0.0/29"], ["10.0.0.2-3", "10.0.0.6", "fd00::/8"])
    assert [str(target) for target in left] == ["10.0.0.1", "10.0.0.4", "10.0.0.5"]
    with pytest.raises(RangeError, match="all addresses of the range are excluded"):
        parse_targets(["10.0.0.0/29"], ["10.0.0.0/8"])
    with pytest.raises(RangeError, match="is not an address or a range"):
        parse_targets(["10.0.0.0/29"], ["10.0.0"])


def test_a_zone_stays_with_its_addresses() -> None:
    assert [str(target) for target in parse_targets(["fe80::1%eth0"])] == ["fe80::1%eth0"]


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("redfish:8443", (Scheme.REDFISH_HTTPS, 8443)),
        ("redfish+http:8001", (Scheme.REDFISH_HTTP, 8001)),
        ("IPMI:6230", (Scheme.IPMI, 6230)),
    ],
)
def test_ports(text: str, port: tuple[Scheme, int]) -> None:
    assert parse_port(text) == port


@pytest.mark.parametrize(
    "text", ["8443", "redfish:", "redfish:0", "redfish:70000", "http:80x", "snmp:161", ""]
)
def test_what_is_no_port_says_what_is(text: str) -> None:
    with pytest.raises(RangeError, match="is not a port; write redfish:8443"):
        parse_port(text)


ANSWER = (
    "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST:urn:dmtf-org:service:redfish-rest:1:6\r\n"
    "USN:uuid:{uuid}::urn:dmtf-org:service:redfish-rest:1:6\r\nAL:<https://10.0.0.5:8443/redfish/v1/>\r\nEXT:\r\n\r\n"
)
NOTIFY = (
    "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: urn:dmtf-org:service:redfish-rest:1\r\n"
    "NTS: ssdp:alive\r\nAL: http://[fd00::5]/redfish/v1/\r\n\r\n"
)


def test_announcements() -> None:
    assert read_announcement(ANSWER.encode()) == Announcement("10.0.0.5", RedfishPort(8443))
    assert read_announcement(NOTIFY.encode()) == Announcement("fd00::5", RedfishPort(80, tls=False))


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\xff\x00" * 20,
        NOTIFY.replace("alive", "byebye").encode(),
        ANSWER.replace("dmtf-org", "schemas-upnp-org").encode(),
        ANSWER.replace("https://10.0.0.5:8443", "ftp://10.0.0.5").encode(),
        ANSWER.replace(":8443", ":99999").encode(),
        ANSWER.replace("AL:", "LA:").encode(),
    ],
)
def test_what_announces_no_redfish_service_is_nothing(packet: bytes) -> None:
    assert read_announcement(packet) is None


def test_factory_passwords() -> None:
    assert is_factory_login(Credentials("root", Secret("calvin")))
    assert not is_factory_login(Credentials("root", Secret("Calvin")))
    assert [login.username for login in factory_logins("Super Micro Computer, Inc. (Supermicro)")] == [
        "ADMIN"
    ]
    assert factory_logins(None) == ()
    assert factory_logins("Acme") == ()
    assert "calvin" not in repr(factory_logins("Dell Inc."))
