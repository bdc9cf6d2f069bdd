"""What hosts should become: nothing twice, nothing outside its network, the most specific match."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from profiles.addresses import HostName, Mac
from profiles.document import DocumentError, load, parse
from profiles.hosts import Host, Match
from profiles.site import AmbiguousProfile, NoProfile, Site

DATA = Path(__file__).parents[1] / "data" / "profiles"
MAC: TypeAdapter[str] = TypeAdapter(Mac)
HOST_NAME: TypeAdapter[str] = TypeAdapter(HostName)


def test_what_does_not_fit_together_is_told_where_it_stands() -> None:
    with pytest.raises(DocumentError) as error:
        parse((DATA / "inconsistent.yaml").read_text(), Site, source="site.yaml")
    # A network that is wrong in itself is told first: hosts cannot be judged by it.
    assert str(error.value) == "site.yaml:3: networks.tiny: gateway 10.0.0.9 is not in 10.1.0.0/30"
    with pytest.raises(DocumentError) as error:
        text = (DATA / "inconsistent.yaml").read_text().replace("10.0.0.9", "10.1.0.1")
        parse(text, Site, source="site.yaml")
    assert str(error.value).splitlines() == [
        "site.yaml:11: hosts.1.match: the match bmc 10.9.0.1 is declared twice",
        "site.yaml:12: hosts.1.name: name one is declared twice",
        "site.yaml:13: hosts.1.macs.1: MAC 52:54:00:00:00:01 is declared twice",
        "site.yaml:14: hosts.1.hostname: host name one.example.com is declared twice",
        "site.yaml:16: hosts.1.address: address 10.0.0.11 is declared twice",
        "site.yaml:19: hosts.2.address: serial S3: address 10.0.1.11 is not in network 10.0.0.0/24",
        "site.yaml:22: hosts.3.address: serial S4: address 10.0.0.1 is the gateway's",
        "site.yaml:25: hosts.4.address: serial S5: address 10.0.0.255 is the first or last of 10.0.0.0/24, "
        "which no host can have",
        "site.yaml:26: hosts.5.network: serial S6: network 'provisioning' is not declared; there are: "
        "rack, tiny",
    ]


def test_the_declaration_of_the_virtual_rack_is_read() -> None:
    declared = load(DATA.parent / "vm_lab" / "site.yaml", Site)
    assert [(host.name, host.address, host.role) for host in declared.hosts] == [
        ("node-1", "192.0.2.101", "control-plane"),
        ("node-2", "192.0.2.102", "kubernetes"),
        ("node-3", "192.0.2.103", "kubernetes"),
    ]


ANY = Host(match=Match(), image="any")
BY_SERIAL = Host(match=Match(serial="S1"), image="by-serial")
BY_NAME = Host(match=Match(name="one"), image="by-name")
BY_BOTH = Host(match=Match(serial="S1", name="one"), image="by-both")


@pytest.mark.parametrize(
    ("facts", "image"),
    [
        ({"serial": "S1", "name": "one", "bmc": None}, "by-both"),
        ({"serial": "S1", "name": "two", "bmc": None}, "by-serial"),
        ({"serial": "S2", "name": "one", "bmc": None}, "by-name"),
        ({"serial": None, "name": "two", "bmc": "10.0.0.5"}, "any"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_most_specific_match_wins_in_any_order(
    facts: dict[str, str | None], image: str, order: int
) -> None:
    site = Site(hosts=(ANY, BY_SERIAL, BY_NAME, BY_BOTH)[::order])
    assert site.host_for(facts).image == image


def test_a_tie_is_an_error_that_names_both() -> None:
    site = Site(hosts=(ANY, BY_SERIAL, BY_NAME))
    with pytest.raises(AmbiguousProfile) as error:
        site.host_for({"serial": "S1", "name": "one", "bmc": None})
    assert str(error.value) == ("2 declared hosts match serial S1, name one equally: serial S1, name one")


def test_no_match_is_an_error_that_tells_the_facts() -> None:
    with pytest.raises(NoProfile) as error:
        Site(hosts=(BY_SERIAL,)).host_for({"serial": "S2", "name": None, "bmc": "10.0.0.5"})
    assert str(error.value) == "no declared host matches serial S2, bmc 10.0.0.5"
    with pytest.raises(NoProfile, match="a node without facts"):
        Site().host_for({})


@pytest.mark.parametrize(
    "typed", ["10.0.0.5", "ipmi://10.0.0.5", "redfish://10.0.0.5:8443/redfish/v1/Systems/1"]
)
def test_a_bmc_is_matched_by_its_host_however_it_was_typed(typed: str) -> None:
    host = Host(match=Match(bmc=typed))
    assert Site(hosts=(host,)).host_for({"bmc": "10.0.0.5"}) == host


OCTETS = st.lists(st.integers(0, 255), min_size=6, max_size=6).filter(lambda o: any(o) and not o[0] & 1)


@given(octets=OCTETS, separator=st.sampled_from([":", "-"]), upper=st.booleans())
def test_a_mac_has_one_spelling(octets: list[int], separator: str, upper: bool) -> None:
    typed = separator.join(f"{octet:02x}" for octet in octets)
    expected = ":".join(f"{octet:02x}" for octet in octets)
    assert MAC.validate_python(typed.upper() if upper else typed) == expected
    assert MAC.validate_python(expected) == expected


@given(text=st.text())
def test_what_is_taken_for_a_mac_is_one(text: str) -> None:
    try:
        mac = MAC.validate_python(text)
    except ValidationError:
        return
    assert re.fullmatch(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", mac)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "52:54:00:12:34",
        "52:54:00:12:34:5g",
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "01:00:5e:00:00:01",
    ],
)
def test_what_is_no_mac_of_a_nic_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="no MAC address of a NIC"):
        MAC.validate_python(text)


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


@given(labels=st.lists(LABEL, min_size=1, max_size=5))
def test_names_of_hosts_are_taken_as_they_are(labels: list[str]) -> None:
    name = ".".join(labels)
    assert HOST_NAME.validate_python(name) == name


@given(text=st.text(max_size=300))
def test_what_is_taken_for_a_host_name_is_safe_in_any_file(text: str) -> None:
    try:
        name = HOST_NAME.validate_python(text)
    except ValidationError:
        return
    assert re.fullmatch(r"[a-z0-9.-]{1,253}", name)
    assert all(label and len(label) <= 63 and label.strip("-") == label for label in name.split("."))


@pytest.mark.parametrize(
    "text", ["", "Web", "a_b", "-a", "a-", "a..b", "a.", "a b", "a\n", "x" * 64, "a." * 127 + "a"]
)
def test_what_is_no_host_name_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is no host name"):
        HOST_NAME.validate_python(text)
