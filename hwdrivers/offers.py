"""Which interfaces a driver has, and how to take one or to say in the operator's words why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from hwdrivers.address import BMCAddress
from hwdrivers.errors import Unsupported
from hwdrivers.interfaces import (
    BIOS,
    LED,
    RAID,
    Ability,
    Accounts,
    Console,
    EventLog,
    Firmware,
    Interface,
    Media,
    SecureBoot,
    Sensors,
)

T = TypeVar("T")


class Offers:
    """A driver that has no interface until it says otherwise."""

    sensors: Sensors | None = None
    event_log: EventLog | None = None
    led: LED | None = None
    media: Media | None = None
    bios: BIOS | None = None
    secure_boot: SecureBoot | None = None
    raid: RAID | None = None
    firmware: Firmware | None = None
    accounts: Accounts | None = None
    console: Console | None = None


ATTRIBUTES: Mapping[Interface, str] = {
    Interface.SENSORS: "sensors",
    Interface.EVENT_LOG: "event_log",
    Interface.LED: "led",
    Interface.MEDIA: "media",
    Interface.BIOS: "bios",
    Interface.SECURE_BOOT: "secure_boot",
    Interface.RAID: "raid",
    Interface.FIRMWARE: "firmware",
    Interface.ACCOUNTS: "accounts",
    Interface.CONSOLE: "console",
}


def offered(address: BMCAddress, name: Interface, interface: T | None) -> T:
    """The interface itself; raises `Unsupported` where the driver's protocol has none."""
    if interface is not None:
        return interface
    other = "use its ipmi:// address" if address.is_redfish else "use its redfish:// address"
    advice = f"{other} where it has one"
    if name is Interface.CONSOLE:
        advice += ", or name its console server: `undercloud node set NODE --console tcp://HOST:PORT`"
    raise Unsupported.at(address, f"use its {name}", lacking(address, name), advice)


def lacking(address: BMCAddress, name: Interface) -> str:
    """Why there is none, in a few words."""
    return f"{'Redfish' if address.is_redfish else 'IPMI'} has no {name}"


def by_protocol(address: BMCAddress, driver: Offers) -> dict[Interface, Ability]:
    """What the driver's protocol has, before the model is asked."""
    abilities = {}
    for name in Interface:
        has = name not in ATTRIBUTES or getattr(driver, ATTRIBUTES[name]) is not None
        abilities[name] = Ability(has, "" if has else lacking(address, name))
    return abilities
