"""What a host is told on its first boot, as text; how cloud-init reads it is tested with the image's own."""

from __future__ import annotations

import json
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import yaml

from hwdrivers.credentials import Secret
from profiles.hosts import Host, Network
from seed.cloud_init import FirstBootData, render
from seed.network_data import UnknownNIC

DATA = Path(__file__).parents[1] / "data" / "seed"
BONDED: dict[str, Any] = {
    "interfaces": [
        {"name": "eno1", "mac": "52:54:00:00:00:01", "mtu": 9000},
        {"name": "eno2", "mtu": 9000},
        {
            "name": "bond0",
            "mtu": 9000,
            "bond": {"mode": "802.3ad", "interfaces": ["eno1", "eno2"], "xmit_hash_policy": "layer3+4"},
        },
        {
            "name": "bond0.100",
            "vlan": {"id": 100, "link": "bond0"},
            "addresses": ["192.0.2.10/24", "2001:db8::10/64"],
            "routes": [
                {"via": "192.0.2.1"},
                {"to": "198.51.100.0/24", "via": "192.0.2.2"},
                {"via": "2001:db8::1"},
            ],
            "dns": ["192.0.2.53", "2001:db8::53"],
        },
        {"name": "eno3", "mac": "52:54:00:00:00:03", "dhcp4": True, "dhcp6": True},
    ]
}


def first_boot(**declared: Any) -> dict[str, bytes]:
    host = Host.model_validate({"match": {"serial": "S1"}, **declared})
    return render(
        FirstBootData(
            uuid="7a11",
            hostname="one",
            mac="52:54:00:00:00:01",
            host=host,
            network=Network(cidr="192.0.2.0/24", gateway="192.0.2.1", dns=("192.0.2.53",)),
            host_key=Secret("PRIVATE"),
            host_key_public="ssh-ed25519 PUBLIC",
            home_url="http://192.0.2.1:8080/v1/phone-home/u",
            nics={"eno1": "52:54:00:00:00:01", "eno2": "52:54:00:00:00:02"},
        )
    )


def test_a_bond_with_a_vlan() -> None:
    assert json.loads(first_boot(**BONDED)["network_data.json"]) == json.loads(
        (DATA / "network_data-bond-vlan.json").read_text()
    )


@pytest.mark.parametrize(
    ("declared", "network"),
    [
        ({}, {"id": "network0", "link": "provisioning", "type": "ipv4_dhcp", "routes": []}),
        (
            {"address": "192.0.2.7"},
            {
                "id": "network0",
                "link": "provisioning",
                "type": "ipv4",
                "ip_address": "192.0.2.7/24",
                "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"}],
            },
        ),
    ],
)
def test_without_interfaces_the_nic_that_boots(declared: dict[str, str], network: dict[str, Any]) -> None:
    told = json.loads(first_boot(**declared)["network_data.json"])
    assert told["networks"] == [network]
    assert [(link["ethernet_mac_address"], link["type"]) for link in told["links"]] == [
        ("52:54:00:00:00:01", "phy")
    ]
    assert "name" not in told["links"][0]  # cloud-init would rename the NIC


def test_a_nic_that_the_machine_has_not_is_told() -> None:
    with pytest.raises(UnknownNIC, match=r"no NIC called 'eno7'; it has eno1 \(52:54:00:00:00:01\), eno2"):
        first_boot(interfaces=[{"name": "eno7", "dhcp4": True}])


def test_vendor_data_is_there_where_it_is_declared() -> None:
    plain = first_boot()
    assert sorted(plain) == ["meta_data.json", "network_data.json", "user_data"]
    vendor = {"cloud-init": "#cloud-config\npackages: [vim]\n"}
    files = first_boot(vendor_data=vendor, vendor_data2={"static": {"cloud-init": "#!/bin/sh\n"}})
    assert json.loads(files["vendor_data.json"]) == vendor
    assert json.loads(files["vendor_data2.json"]) == {"static": {"cloud-init": "#!/bin/sh\n"}}


OURS = {"hostname", "ssh_deletekeys", "ssh_keys", "phone_home", "manage_etc_hosts"}


@pytest.mark.parametrize(
    "declared",
    [
        {"packages": ["vim"], "hostname": "other", "phone_home": {"url": "http://elsewhere"}},
        "#cloud-config\npackages: [vim]\nhostname: other\nphone_home: {url: http://elsewhere}\n",
    ],
)
def test_keys_and_the_same_as_text_become_one_cloud_config(declared: Any) -> None:
    text = first_boot(user_data=declared)["user_data"].decode()
    assert text.startswith("#cloud-config\n")
    keys = yaml.safe_load(text)
    assert keys.keys() == OURS | {"packages"}
    assert (keys["packages"], keys["hostname"]) == (["vim"], "one")
    assert keys["phone_home"]["url"].startswith("http://192.0.2.1:8080/")


SCRIPT = "#!/bin/sh\necho 'ä' > /etc/motd\n"
PARTS = (
    'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n\n--b\n'
    "Content-Type: text/x-shellscript\n\n#!/bin/sh\necho 1\n--b\n"
    "Content-Type: text/cloud-config\n\n#cloud-config\nhostname: other\n--b--\n"
)


@pytest.mark.parametrize(
    ("declared", "kinds"),
    [
        (SCRIPT, ["text/plain", "text/cloud-config"]),
        (PARTS, ["text/x-shellscript", "text/cloud-config", "text/cloud-config"]),
    ],
)
def test_other_texts_travel_beside_ours_which_comes_last(declared: str, kinds: list[str]) -> None:
    whole = message_from_bytes(first_boot(user_data=declared)["user_data"])
    parts = [part for part in whole.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == kinds
    *_, ours = (part.get_payload(decode=True) for part in parts)
    assert isinstance(ours, bytes)
    assert yaml.safe_load(ours).keys() == OURS
    if declared == SCRIPT:
        assert parts[0].get_payload(decode=True) == SCRIPT.encode()
