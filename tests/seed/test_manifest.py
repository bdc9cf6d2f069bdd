"""The manifest of a delivery: read strictly, and compared with what answers."""

from __future__ import annotations

from typing import Any

import pytest
from found_rack import Rack, discover, rows
from hypothesis import given
from hypothesis import strategies as st
from seed_machine import PASSWORD
from seed_world import World

from hwdrivers.bmc import Identity
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.fake import FakeBMC
from profiles.document import DocumentError
from seed.manifest import Manifest, read_manifest

CSV = """\
rack,slot,serial,bmc_address,credentials,name
R1,1,S-1,192.0.2.1,,
R1,2,S-2,192.0.2.2,,web-2

R1,3,S-3,192.0.2.3,,
"""
YAML = """\
machines:
- {rack: R1, slot: 1, serial: S-1, bmc_address: 192.0.2.1}
- {rack: R1, slot: 2, serial: S-2, bmc_address: 192.0.2.2, name: web-2}
- {rack: R1, slot: 3, serial: S-3, bmc_address: 192.0.2.3}
"""


def test_csv_and_yaml_say_the_same() -> None:
    places = read_manifest(CSV, "rack.csv")
    assert places == read_manifest(YAML, "rack.yaml")
    assert [place.node_name for place in places] == ["r1-1", "web-2", "r1-3"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "m.csv:1: no column 'rack'"),
        ("rack,slot,serail\n", "m.csv:1: unknown column 'serail'; there are: rack, slot, serial"),
        ("rack,slot,serial,serial\n", "m.csv:1: column 'serial' is there twice"),
        ("rack,slot,serial\n", "m.csv: it lists no machine"),
        ("rack,slot,serial\nR1,1\n", "m.csv:2: 2 cells under 3 columns"),
        ("rack,slot,serial\n\nR1,,S\n", "m.csv:3: slot: is missing"),
        ("rack,slot,serial\nR1,1,\n", "m.csv:2: give a serial, a bmc_mac or a bmc_address"),
        ("rack,slot,bmc_mac\nR1,1,no\n", "m.csv:2: bmc_mac: 'no' is not a MAC address"),
        ("rack,slot,bmc_address\nR1,1,10.0.0\n", "m.csv:2: bmc_address: '10.0.0' is not an IPv4 address"),
        ("rack,slot,serial\nR1,1,S\nR1,2,s\n", "m.csv:3: serial 's' is given in line 2 already"),
        ("rack,slot,serial\nR1,1,S\nR1,1,T\n", "m.csv:3: place 'R1/1' is given in line 2 already"),
        ('rack,slot,serial\nR1,1,"S\n', "m.csv:2: not valid CSV"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_manifest(text, "m.csv")
    assert str(caught.value).startswith(problem)


def test_a_wrong_yaml_is_told_with_its_line() -> None:
    with pytest.raises(
        DocumentError, match=r"^m.yaml:2: unknown key 'machines.0.seral'; did you mean 'serial'"
    ):
        read_manifest("machines:\n- {rack: R1, slot: 1, seral: S-1, bmc_address: 192.0.2.1}\n", "m.yaml")


def test_a_place_that_a_yaml_gives_twice_is_told_by_its_number() -> None:
    with pytest.raises(DocumentError) as caught:
        read_manifest(YAML.replace("slot: 2", "slot: 1"), "m.yaml")
    assert str(caught.value) == "m.yaml: machine 2: place 'R1/1' is given in machine 1 already"


@given(st.text(alphabet='rackslotseria,"\n1 ', max_size=60))
def test_any_text_is_a_manifest_or_a_clear_error(text: str) -> None:
    try:
        assert read_manifest(text, "m.csv")
    except DocumentError as error:
        assert str(error).startswith("m.csv:")


def row(number: int, serial: str | None, mac: str | None = None) -> dict[str, Any]:
    return {"address": f"ipmi://192.0.2.{number}", "also": [], "serial": serial, "mac": mac}


def report(text: str, *found: dict[str, Any]) -> list[tuple[str, str]]:
    verdicts = Manifest(read_manifest(text, "rack.csv")).report(found)
    return [(f"{v.rack}/{v.slot}" if v.rack else v.address or "", v.status.value) for v in verdicts]


def test_matching_missing_and_unexpected() -> None:
    assert report(CSV, row(1, "S-1"), row(2, None), row(9, "S-9")) == [
        ("R1/1", "matching"),
        ("R1/2", "unverified"),
        ("R1/3", "missing"),
        ("ipmi://192.0.2.9", "unexpected"),
    ]


def test_machines_in_no_place_are_told_in_the_order_of_their_addresses() -> None:
    told = report(CSV, *(row(number, None) for number in (100, 20, 9)))
    assert [where for where, status in told if status == "unexpected"] == [
        "ipmi://192.0.2.9",
        "ipmi://192.0.2.20",
        "ipmi://192.0.2.100",
    ]


def test_a_node_that_matches_and_has_another_name_keeps_it() -> None:
    found = [row(1, "S-1") | {"node": "old"}, row(2, "S-2") | {"node": "web-2"}]
    first, second, _ = Manifest(read_manifest(CSV, "rack.csv")).report(found)
    assert (first.status, first.name, first.detail) == ("matching", "r1-1", "its node keeps the name 'old'")
    assert (second.status, second.detail) == ("matching", "")


def test_swapped_and_moved() -> None:
    assert report(CSV, row(1, "S-2"), row(2, "S-1"), row(8, "S-3")) == [
        ("R1/1", "swapped"),
        ("R1/2", "swapped"),
        ("R1/3", "moved"),
    ]
    (first, second, _) = Manifest(read_manifest(CSV, "rack.csv")).report([row(1, "S-2"), row(2, "S-1")])
    assert (first.address, first.detail) == ("ipmi://192.0.2.2", "it stands in R1/2")
    assert (second.address, second.detail) == ("ipmi://192.0.2.1", "it stands in R1/1")


def test_a_stranger_in_the_place_of_a_machine() -> None:
    first, _, _, stranger = Manifest(read_manifest(CSV, "rack.csv")).report([row(1, "OTHER")])
    assert (first.status, first.detail) == ("missing", "OTHER answers there instead")
    assert (stranger.status, stranger.serial) == ("unexpected", "OTHER")


def test_a_mac_says_where_a_machine_stands_whatever_its_address() -> None:
    text = "rack,slot,serial,bmc_mac\nR1,1,S-1,52-54-00-00-00-01\nR1,2,,52:54:00:00:00:02\n"
    there = (row(71, "S-1", "52:54:00:00:00:01"), row(72, None, "52:54:00:00:00:02"))
    assert report(text, *there) == [("R1/1", "matching"), ("R1/2", "matching")]
    swapped = (row(71, "S-1", "52:54:00:00:00:02"), row(72, "S-2", "52:54:00:00:00:01"))
    assert report(text, *swapped)[0] == ("R1/1", "swapped")


def test_a_serial_alone_may_be_anywhere() -> None:
    assert report("rack,slot,serial\nR1,1,S-1\nR1,2,S-2\n", row(77, "S-1")) == [
        ("R1/1", "matching"),
        ("R1/2", "missing"),
    ]


def bmc(number: int, serial: str, password: str = PASSWORD) -> FakeBMC:
    login = Credentials("admin", Secret(password))
    return FakeBMC(f"ipmi://192.0.2.{number}", credentials=login, identity=Identity(serial=serial))


def test_only_what_matches_is_enrolled_under_its_place(world: World) -> None:
    rack = Rack(bmc(1, "S-1"), bmc(2, "S-3"), bmc(3, "S-2"), bmc(9, "S-9"))
    documents = discover(world, rack, enroll=True, manifest=("rack.csv", CSV))
    with world.store.read() as tx:
        assert [(node.name, node.serial) for node in tx.nodes.all()] == [("r1-1", "S-1")]
    (told,) = [document["manifest"] for document in documents if "manifest" in document]
    assert [verdict["status"] for verdict in told] == ["matching", "swapped", "swapped", "unexpected"]


def test_the_manifest_names_log_ins(world: World) -> None:
    with world.store.write() as tx:
        tx.credentials.put("second", Credentials("admin", Secret("another")))
    rack = Rack(bmc(1, "S-1"), bmc(2, "S-2", "another"))
    text = CSV.replace("192.0.2.2,,", "192.0.2.2,second,")
    documents = discover(world, rack, manifest=("rack.csv", text))
    assert [found["login"] for found in rows(documents)] == ["rack", "second"]
    assert [len(each.logins) for each in rack.bmcs] == [1, 1]
