"""Root device hints: Ironic's operators, read strictly, and what they hold of a disk."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hwdrivers.inventory import Disk
from profiles.document import DocumentError, parse
from profiles.root_device import GIB, RootDevice
from profiles.site import Site

SSD = Disk(
    name="/dev/sda",
    size_bytes=447 * GIB + 1,
    serial="S3YJNX0M",
    wwn="0x5002538e0000001a",
    model="SAMSUNG MZ7LH480",
    vendor="ATA",
    rotational=False,
    by_path="/dev/disk/by-path/pci-0000:00:17.0-ata-1",
    hctl="4:0:0:0",
    wwn_with_extension="0x5002538e0000001a0x1",
)


@pytest.mark.parametrize(
    ("hint", "fits", "fits_not"),
    [
        ("serial", ["S3YJNX0M", "s3yjnx0m", "s== S3YJNX0M", "s!= OTHER", "<in> YJNX", "<or> A <or> S3YJNX0M"],
         ["S3YJ", "s== S3YJ", "s!= S3YJNX0M", "<in> Z", "<or> A <or> B"]),
        ("wwn", ["0x5002538e0000001a", "0x5002538E0000001A"], ["0x5002538e0000001b"]),
        ("wwn_with_extension", ["0x5002538e0000001a0x1"], ["0x5002538e0000001a"]),
        ("wwn_vendor_extension", [], ["0x1", "s!= 0x1"]),  # nobody told
        ("model", ["samsung MZ7LH480", "s== SAMSUNG MZ7LH480", "<in> mz7", "<all-in> samsung MZ7LH480",
          "<in> g M"],
         ["SAMSUNG", "<all-in> samsung intel", "s< a"]),
        ("vendor", ["ata", "s>= ASA", "s<= b"], ["s> atb"]),
        ("name", ["/dev/sda"], ["/dev/sdb"]),
        ("by_path", ["/dev/disk/by-path/pci-0000:00:17.0-ata-1", "<in> pci-0000:00:17.0"], ["<in> nvme"]),
        ("hctl", ["4:0:0:0"], ["4:0:0:1"]),
        ("rotational", [False], [True]),
        ("size", [447, "447", ">= 447", "> 447", "<= 448", "< 448", "!= 447", "= 400", "<or> 446 <or> 447",
                  "<range-in> [ 400 448 ]", "<range-in> [400 448]", "<range-in> (447 448)"],
         [448, ">= 448", "== 447", "<or> 446 <or> 448", "<range-in> [ 448 500 ]"]),
        ("min_size_gib", [447], [448]),
        ("max_size_gib", [448], [447]),
    ],
)  # fmt: skip
def test_what_holds_of_a_disk(hint: str, fits: list[object], fits_not: list[object]) -> None:
    for wanted in fits:
        assert RootDevice.model_validate({hint: wanted}).fits(SSD), wanted
    for wanted in fits_not:
        assert not RootDevice.model_validate({hint: wanted}).fits(SSD), wanted


def test_all_hints_must_hold() -> None:
    assert RootDevice(serial="<in> S3", size=">= 100", rotational=False).fits(SSD)
    assert not RootDevice(serial="<in> S3", size=">= 100", rotational=True).fits(SSD)


def test_what_nobody_told_holds_of_no_disk() -> None:
    bare = Disk("/dev/sda")
    for hints in ({"serial": "s!= X"}, {"rotational": False}, {"size": "< 100"}, {"max_size_gib": 100}):
        assert not RootDevice.model_validate(hints).fits(bare)


@pytest.mark.parametrize(
    ("hints", "told"),
    [
        ({"serial": "== X"}, "there is no operator '==' here; there are: s== s!="),
        ({"serial": "<not-in> X"}, "there is no operator '<not-in>' here"),
        ({"serial": "s=== X"}, "there is no operator 's===' here"),
        ({"serial": "s=="}, "nothing to compare with"),
        ({"serial": "<or> A <or>"}, "nothing to compare with"),
        ({"serial": ""}, "nothing to compare with"),
        ({"size": "s== 100"}, "there is no operator 's==' here; there are: == != <= >="),
        ({"size": ">= 100G"}, "is no number of GiB"),
        ({"size": "0"}, "is no number of GiB"),
        ({"size": 0}, "is no number of GiB"),
        ({"size": "<range-in> 1 2"}, "write a range of GiB as"),
        ({"min_size_gib": 200, "max_size_gib": 100}, "no disk has at least 200 and at most 100 GiB"),
    ],
)
def test_what_cannot_be_meant(hints: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as error:
        RootDevice.model_validate(hints)
    assert told in str(error.value)


def test_a_bad_operator_is_told_with_file_line_and_key() -> None:
    text = "hosts:\n- match: {serial: A}\n  root_device:\n    rotational: false\n    serial: =~ S3.*\n"
    with pytest.raises(DocumentError) as error:
        parse(text, Site, source="site.yaml")
    assert str(error.value).startswith("site.yaml:5: hosts.0.root_device.serial: '=~ S3.*'")
