"""What BMCs write into a number's place, and what it means; the model beside a case is where it was seen."""

from __future__ import annotations

import pytest
from documents import SYSTEM, Document, collection, link, read, service, with_parts

from hwdrivers.inventory import Inventory
from hwdrivers.redfish.inventory.values import (
    architecture,
    decimal,
    drive_bytes,
    gbps,
    link_mbps,
    mhz,
    module_mib,
    positive,
    system_mib,
    wwn,
)

DIMM = {"MemoryDeviceType": "DDR4", "MemoryType": "DRAM", "Status": {"State": "Enabled"}}


@pytest.mark.parametrize(
    ("gib", "modules", "mib"),
    [
        (64, None, 65536),
        (476.837376, None, 524288),  # Dell R820, iDRAC 7: 512 taken for GB
        (59.604672, 65536, 65536),  # Dell R620
        (244, 262144, 262144),  # Gigabyte H262: cut off, after one conversion too many
        (32.0, 65536, 32768),  # mirrored: half of the modules
        (65536, 65536, 65536),  # MiB
        (68719476736, 65536, 65536),  # bytes
        (2097152, None, 2097152),  # MiB, and no module to compare with
        (96, 32768, 98304),  # two of three modules answer 404
        (15.5, None, 15872),
        (0, 65536, 65536),
        (None, 65536, 65536),
        ("64", None, 65536),
        ("lots", None, None),
        (True, None, None),
    ],
)
def test_memory_of_a_system(gib: object, modules: int | None, mib: int | None) -> None:
    assert system_mib(gib, modules) == mib


@pytest.mark.parametrize(
    ("told", "mib"),
    [
        (16384, 16384),
        (15625, 16384),  # Gigabyte H262 (AMI MegaRAC)
        (17179869184, 16384),  # bytes
        (16777216, 16384),  # KiB
        (16, 16384),  # GiB
        (512, 512),
        (81559, 81559),  # HBM of an H100
        (0, None),
        (-1, None),
        ([], None),
    ],
)
def test_size_of_a_module(told: object, mib: int | None) -> None:
    assert module_mib(told) == mib


@pytest.mark.parametrize(
    ("told", "size"),
    [
        (960197124096, 960197124096),
        (3815447, 4000786153472),  # Cisco UCS S3260: MiB
        (9223372036854775, 9223372036854775),  # exactly, not through a float
        (0, None),
        ("480103981056", 480103981056),
    ],
)
def test_size_of_a_drive(told: object, size: int | None) -> None:
    assert drive_bytes(told) == size


@pytest.mark.parametrize(
    ("function", "told", "value"),
    [
        (mhz, 2400, 2400),
        (mhz, 2.4, 2400),
        (mhz, 2_400_000_000, 2400),
        (mhz, 65535, None),
        (mhz, 0, None),
        (link_mbps, 25000, 25000),
        (link_mbps, 10_000_000_000, 10000),
        (link_mbps, 4294967295, None),
        (gbps, 2.5, 2500),
        (decimal, float("nan"), None),
        (decimal, 10**400, None),
        (positive, 2**70, None),
        (positive, 1.6, 2),
    ],
)
def test_clocks_and_links(function, told, value) -> None:  # type: ignore[no-untyped-def]
    assert function(told) == value


@pytest.mark.parametrize(
    ("form", "name", "value"),
    [
        ("NAA", "5000C5002C262059", "0x5000c5002c262059"),
        ("NAA", "naa.5000c500 2c262059", "0x5000c5002c262059"),
        ("EUI", "00-25-38-9A-21-01-08-DA", "eui.0025389a210108da"),
        ("NQN", "nqn.2014-08.org.nvmexpress", None),
        ("NAA", "0000000000000000", None),
        (["NAA"], 5, None),
    ],
)
def test_names_of_drives_are_those_of_the_kernel(form: object, name: object, value: str | None) -> None:
    assert wwn(form, name) == value


def test_architecture_by_instruction_set_else_by_model() -> None:
    assert architecture("Grace A02", None, "OEM") == "aarch64"
    assert architecture("AMD EPYC 7713 64-Core Processor", None, None) == "x86_64"
    assert architecture(None, "ARM-A64", "ARM") == "aarch64"
    assert architecture("Contoso 1", "x86-64") == "x86_64"
    assert architecture("Contoso 1") is None


def _with_memory(**members: dict[str, object]) -> Inventory:
    return read(with_parts("Memory", members))


def test_nvdimms_are_not_ram() -> None:
    found = _with_memory(
        ram={**DIMM, "CapacityMiB": 32768, "VolatileSizeMiB": 32768, "NonVolatileSizeMiB": 0},
        nvdimm={**DIMM, "CapacityMiB": 16384, "MemoryType": "NVDIMM_N"},
    )
    assert (found.memory_mib, found.persistent_memory_mib) == (32768, 16384)
    assert [module.kind for module in found.memory_modules] == ["DDR4", "NVDIMM_N"]


def test_a_total_that_counts_nvdimms_is_not_taken() -> None:
    dimms = {"1": {**DIMM, "CapacityMiB": 32768}, "2": {"CapacityMiB": 16384, "MemoryType": "NVDIMM_N"}}
    tree = with_parts("Memory", dimms)
    tree[SYSTEM]["MemorySummary"] = {"TotalSystemMemoryGiB": 48}
    assert read(tree).memory_mib == 32768


def test_optane_is_what_it_is_configured_as() -> None:
    found = _with_memory(
        both={"CapacityMiB": 16384, "MemoryType": "IntelOptane", "PersistentRegionSizeLimitMiB": 4096},
        ram={
            "CapacityMiB": 16384,
            "MemoryType": "IntelOptane",
            "VolatileSizeMiB": 16384,
            "NonVolatileSizeMiB": 0,
        },
    )
    assert [module.persistent_mib for module in found.memory_modules] == [4096, None]
    assert (found.memory_mib, found.persistent_memory_mib) == (28672, 4096)


def test_memory_of_gpus_is_not_ram() -> None:
    found = _with_memory(gpu={"CapacityMiB": 81559, "MemoryType": "DRAM", "MemoryDeviceType": "HBM"})
    assert (found.memory_mib, found.memory_modules[0].size_mib) == (None, 81559)


def test_empty_sockets_are_left_out_however_they_are_told() -> None:
    found = _with_memory(
        a={**DIMM, "CapacityMiB": 8192},
        b={"Status": {"State": "Absent"}},
        c={"CapacityMiB": 0, "Status": {"State": "Enabled"}},
        d={"DIMMStatus": "NotPresent", "SizeMB": 0},
        e={**DIMM, "CapacityMiB": 8192, "Status": {"State": "Disabled"}},
    )
    assert [module.name for module in found.memory_modules] == ["a", "e"]


def test_ilo_4_tells_size_mb_and_links_with_href() -> None:
    path = f"{SYSTEM}/Memory"
    tree = service(collection(path, {"proc1dimm1": {"SizeMB": 8192, "DIMMType": "DDR3"}}))
    tree[SYSTEM]["Memory"] = {"href": f"{path}/"}
    tree[path] = {"links": {"Member": [{"href": f"{path}/proc1dimm1/"}]}}
    assert [(m.size_mib, m.kind) for m in read(tree).memory_modules] == [(8192, "DDR3")]


def test_jedec_numbers_are_makers() -> None:
    found = _with_memory(a={**DIMM, "CapacityMiB": 32768, "Manufacturer": "0xCE00"})
    assert found.memory_modules[0].vendor == "Samsung"


def test_threads_are_what_an_operating_system_sees() -> None:
    cpu = {"ProcessorType": "CPU", "TotalCores": 8, "TotalThreads": 16}
    tree = with_parts("Processors", {"1": cpu, "2": cpu})
    assert read(tree).cpu.count == 32
    tree[SYSTEM]["ProcessorSummary"] = {"LogicalProcessorCount": 16, "Model": "Contoso"}
    assert read(tree).cpu.count == 16  # hyper-threading is off
    tree[SYSTEM]["ProcessorSummary"] = {"LogicalProcessorCount": 2}
    assert read(tree).cpu.count == 32  # that is the sockets


def test_idrac_8_tells_instruction_sets_in_a_list() -> None:
    cpu: Document = {"ProcessorType": "CPU", "InstructionSet": [{"Member": "x86-64"}]}
    assert read(with_parts("Processors", {"1": cpu})).processors[0].architecture == "x86_64"
    cpu["InstructionSet"] = [{"Member": {}}]
    assert read(with_parts("Processors", {"1": cpu})).processors[0].architecture is None


def test_simple_storage_alone() -> None:
    devices = [
        {"Name": "Solid State Disk 0:1:1", "Model": "MZ7KM240", "Manufacturer": "ATA"},
        {"Name": "Backplane 1 on Connector 0", "Model": "BP13G+EXP 0:1"},
        {"Name": "USB", "Model": "Virtual Cdrom Device", "CapacityBytes": 2147483648},
        {"Name": "Bay 3", "Status": {"State": "Absent"}},
        {"Name": "NVMe_Device0_NSID1", "CapacityBytes": 1920383410176},
    ]
    found = read(with_parts("SimpleStorage", {"1": {"Devices": devices}})).disks
    assert [(d.name, d.rotational, d.protocol, d.vendor) for d in found] == [
        ("Solid State Disk 0:1:1", False, None, None),
        ("NVMe_Device0_NSID1", False, "NVMe", None),
    ]


def test_a_link_may_lead_into_a_document() -> None:
    power = f"{SYSTEM}/Power"
    tree = service(
        {
            power: {
                "PowerSupplies": [{"MemberId": "0", "Model": "A", "PowerCapacityWatts": 800, "Name": "PS 0"}]
            }
        },
        {"/redfish/v1/Chassis/1/Power": {"PowerSupplies": [link(f"{power}#PowerSupplies/0")]}},
        chassis={"Power": link("/redfish/v1/Chassis/1/Power")},
    )
    assert [supply.capacity_watts for supply in read(tree).power_supplies] == [800]
