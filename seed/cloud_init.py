"""What a host is told on its first boot: metadata, network and user data, as pure functions of values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from hwdrivers.credentials import Secret
from profiles.hosts import Host, Network

ANY = "0.0.0.0"  # noqa: S104 - the default route, nothing listens there


@dataclass(frozen=True)
class FirstBootData:
    """Everything the three documents are made of."""

    uuid: str
    hostname: str
    mac: str
    host: Host
    network: Network | None
    host_key: Secret
    host_key_public: str
    home_url: str


def render(data: FirstBootData) -> dict[str, bytes]:
    """The files of the config drive by name."""
    return {
        "meta_data.json": _json(meta_data(data)),
        "network_data.json": _json(network_data(data)),
        "user_data": user_data(data).encode(),
    }


def meta_data(data: FirstBootData) -> dict[str, Any]:
    keys = {f"key-{number}": key for number, key in enumerate(data.host.ssh_keys)}
    return {"uuid": data.uuid, "name": data.hostname, "hostname": data.hostname, "public_keys": keys}


def network_data(data: FirstBootData) -> dict[str, Any]:
    """OpenStack's network_data.json: one NIC, found by its MAC, with a static address or DHCP."""
    link = {"id": "provisioning", "type": "phy", "ethernet_mac_address": data.mac}
    network: dict[str, Any] = {"id": "network0", "link": link["id"], "type": "ipv4_dhcp"}
    services: list[dict[str, str]] = []
    if data.host.address and data.network:
        prefix = data.network.cidr.split("/")[1]
        network |= {"type": "ipv4", "ip_address": f"{data.host.address}/{prefix}", "routes": []}
        if data.network.gateway:
            network["routes"] = [{"network": ANY, "netmask": ANY, "gateway": data.network.gateway}]
        services = [{"type": "dns", "address": server} for server in data.network.dns]
    return {"links": [link], "networks": [network], "services": services}


def user_data(data: FirstBootData) -> str:
    """The cloud-config. The host's SSH identity is made by the seed, so that it can be verified at once.

    What is declared as user data may change all but the host's identity and its call home.
    """
    ours: dict[str, Any] = {
        "hostname": data.hostname,
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": data.host_key.reveal(), "ed25519_public": data.host_key_public},
        "phone_home": {"url": data.home_url, "post": ["instance_id", "hostname"], "tries": 20},
    }
    config = {"manage_etc_hosts": True} | data.host.user_data | ours
    return "#cloud-config\n" + yaml.safe_dump(config, sort_keys=True)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()
