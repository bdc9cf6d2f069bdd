"""Redfish documents made by hand: a service with one system, to which tests add what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwdrivers.inventory import Inventory
from hwdrivers.redfish.inventory import read_inventory

Document = dict[str, Any]
Tree = dict[str, Any]

ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/1"
CHASSIS = f"{ROOT}/Chassis/1"


def link(path: str) -> Document:
    return {"@odata.id": path}


def links(*paths: str) -> list[Document]:
    return [link(path) for path in paths]


def collection(path: str, members: Mapping[str, Document]) -> Tree:
    """The collection and its members by their Ids."""
    inside = {f"{path}/{name}": {"Id": name, **document} for name, document in members.items()}
    return {path: {"Members": links(*inside), "Members@odata.count": len(inside)}, **inside}


def service(*parts: Tree, system: Document | None = None, chassis: Document | None = None) -> Tree:
    """Later parts replace documents of the same path."""
    tree: Tree = {ROOT: {name: link(f"{ROOT}/{name}") for name in ("Systems", "Chassis", "Managers")}}
    tree |= collection(f"{ROOT}/Systems", {"1": {"Links": {"Chassis": links(CHASSIS)}, **(system or {})}})
    tree |= collection(f"{ROOT}/Chassis", {"1": {"ChassisType": "RackMount", **(chassis or {})}})
    for part in parts:
        tree |= part
    return tree


def with_parts(name: str, members: Mapping[str, Document], chassis: Document | None = None) -> Tree:
    """A service whose system has one collection of that name."""
    path = f"{SYSTEM}/{name}"
    return service(collection(path, members), system={name: link(path)}, chassis=chassis)


def read(tree: Tree, path: str = SYSTEM) -> Inventory:
    return read_inventory(lambda wanted: tree.get(wanted.rstrip("/")), path)
