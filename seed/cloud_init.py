"""What a host is told on its first boot: metadata, network and user data, as pure functions of values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_string
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import yaml

from hwdrivers.credentials import Secret
from profiles.hosts import Host, Network
from profiles.user_data import CLOUD_CONFIG, cloud_config, is_multipart
from seed.network_data import of_interfaces, of_one_nic


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
    nics: Mapping[str, str] = field(default_factory=dict)
    """The machine's MACs by the names of its NICs."""


def render(data: FirstBootData) -> dict[str, bytes]:
    """The files of the config drive by name."""
    vendor = {"vendor_data.json": data.host.vendor_data, "vendor_data2.json": data.host.vendor_data2}
    return {name: _json(content) for name, content in vendor.items() if content} | {
        "meta_data.json": _json(meta_data(data)),
        "network_data.json": _json(network_data(data)),
        "user_data": user_data(data).encode(),
    }


def meta_data(data: FirstBootData) -> dict[str, Any]:
    keys = {f"key-{number}": key for number, key in enumerate(data.host.ssh_keys)}
    return {"uuid": data.uuid, "name": data.hostname, "hostname": data.hostname, "public_keys": keys}


def network_data(data: FirstBootData) -> dict[str, Any]:
    """OpenStack's network_data.json: what is declared, else the NIC that it boots from.

    Raises UnknownNIC.
    """
    if data.host.interfaces:
        return of_interfaces(data.host.interfaces, data.nics)
    network = data.network
    if data.host.address is None or network is None:
        return of_one_nic(data.mac)
    return of_one_nic(data.mac, data.host.address, network.cidr, network.gateway, network.dns)


def user_data(data: FirstBootData) -> str:
    """What is declared, and ours, which no declaration changes: the host's identity and its call home.

    The host's SSH identity is made by the seed, so that it can be verified at once.
    """
    ours: dict[str, Any] = {
        "hostname": data.hostname,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": data.host_key.reveal(), "ed25519_public": data.host_key_public},
        "phone_home": {"url": data.home_url, "post": ["instance_id", "hostname"], "tries": 20},
    }
    declared = data.host.user_data
    if isinstance(declared, str) and not declared.startswith(f"{CLOUD_CONFIG}\n"):
        return archive(declared, _cloud_config({"manage_etc_hosts": True} | ours))
    keys = cloud_config(declared) if isinstance(declared, str) else declared
    return _cloud_config({"manage_etc_hosts": True} | keys | ours)


def archive(declared: str, ours: str) -> str:
    """Both texts as MIME parts. Ours comes last: of two parts with one key, cloud-init takes the last."""
    whole = MIMEMultipart(boundary="undercloud-user-data")
    if is_multipart(declared):
        whole.attach(message_from_string(declared))
    else:
        whole.attach(_part(declared, "plain"))  # cloud-init looks at the first line
    whole.attach(_part(ours, "cloud-config"))
    return whole.as_string()


def _part(text: str, kind: str) -> MIMEText:
    return MIMEText(text, kind, "utf-8")


def _cloud_config(keys: dict[str, Any]) -> str:
    return f"{CLOUD_CONFIG}\n" + yaml.safe_dump(keys, sort_keys=True)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()
