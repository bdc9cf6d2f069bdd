"""The network interfaces of the machine that we run on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyudev

from hwdrivers.mac import normal_mac


@dataclass(frozen=True)
class LocalNIC:
    """One interface; `addresses` as 10.0.0.1/24. `virtual`: no hardware behind it (bridges, veth, tun)."""

    name: str
    mac: str | None = None
    driver: str | None = None
    speed_mbps: int | None = None
    operstate: str = "unknown"
    addresses: tuple[str, ...] = ()
    virtual: bool = False
    bridge: bool = False


class UnknownInterface(ValueError):
    """No interface of that name here; the message lists those that are."""


def list_nics() -> tuple[LocalNIC, ...]:
    """Every interface of this network namespace but the loopback, by name."""
    addresses = _addresses()
    devices = pyudev.Context().list_devices(subsystem="net")
    nics = (_nic(device, addresses.get(device.sys_name, ())) for device in devices if device.sys_name != "lo")
    return tuple(sorted(nics, key=lambda nic: nic.name))


def local_nic(name: str, nics: Iterable[LocalNIC] | None = None) -> LocalNIC:
    """The interface of that name; raises `UnknownInterface`."""
    known = {nic.name: nic for nic in (list_nics() if nics is None else nics)}
    if name in known:
        return known[name]
    there = ", ".join(_described(nic) for nic in known.values()) or "none"
    raise UnknownInterface(f"interface {name!r} does not exist; there are: {there}")


def _nic(device: pyudev.Device, addresses: tuple[str, ...]) -> LocalNIC:
    path = Path(device.sys_path)
    return LocalNIC(
        name=device.sys_name,
        mac=normal_mac(_attribute(device, "address")),
        driver=_driver(device),
        speed_mbps=_speed(_attribute(device, "speed")),
        operstate=_attribute(device, "operstate") or "unknown",
        addresses=addresses,
        virtual="/devices/virtual/" in device.sys_path,
        bridge=(path / "bridge").is_dir(),
    )


def _attribute(device: pyudev.Device, name: str) -> str | None:
    try:
        return str(device.attributes.asstring(name)).strip() or None
    except (KeyError, OSError, UnicodeDecodeError):  # the kernel answers EINVAL for the speed of a dead link
        return None


def _driver(device: pyudev.Device) -> str | None:
    parent = device.parent
    driver = device.properties.get("ID_NET_DRIVER") or (parent.driver if parent is not None else None)
    return str(driver) if driver else None


def _speed(text: str | None) -> int | None:
    # -1: no link, or a virtual interface.
    return int(text) if text is not None and text.isdigit() and int(text) > 0 else None


def _addresses() -> dict[str, tuple[str, ...]]:
    # udev knows no addresses.
    command = ["ip", "-json", "address", "show"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=True)
    return {
        link["ifname"]: tuple(f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if "local" in a)
        for link in json.loads(done.stdout)
        if "ifname" in link
    }


def _described(nic: LocalNIC) -> str:
    kind = "bridge" if nic.bridge else "virtual" if nic.virtual else nic.driver or "hardware"
    return f"{nic.name} ({', '.join((kind, nic.operstate, *nic.addresses))})"
