"""IANA enterprise numbers of server and BMC makers, as Get Device ID tells them (IPMI 2.0, table 20-2)."""

from __future__ import annotations

VENDORS = {
    2: "IBM",
    11: "HPE",
    42: "Oracle",
    343: "Intel",
    674: "Dell",
    2011: "Huawei",
    2623: "ASUS",
    5703: "NVIDIA",
    5771: "Cisco",
    6653: "MiTAC",
    7244: "Quanta",
    10368: "Fujitsu",
    10876: "Supermicro",
    15370: "Gigabyte",
    19046: "Lenovo",
    20301: "IBM",
    20974: "AMI",
    33049: "Mellanox",
    37945: "Inspur",
    40092: "Wiwynn",
    47196: "HPE",
    47488: "Supermicro",
}


def vendor_of(manufacturer_id: int) -> str | None:
    """None for 0 (unspecified; virtualbmc says so) and for makers we have no name for."""
    return VENDORS.get(manufacturer_id)
