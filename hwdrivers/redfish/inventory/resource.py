"""Documents of a Redfish service, read so that nothing in them surprises: absent or odd is None or empty."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hwdrivers.redfish.inventory.values import decimal, positive
from hwdrivers.told import told

# Answers None where there is nothing to read (404, no right to it, no JSON object).
Get = Callable[[str], Mapping[str, Any] | None]

# An inventory of a DGX H100 takes about 900 documents; a service whose pages go on for ever has more.
_MOST_DOCUMENTS = 5000
_NOTHING: Mapping[str, Any] = {}


@dataclass
class Tree:
    """One look at one service: each document is asked for once."""

    get: Get
    _seen: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def resource(self, path: str) -> Resource:
        """The document at that path; an empty one where there is none."""
        base, _, pointer = path.partition("#")
        content: object = self._read(base)
        for step in filter(None, pointer.split("/")):  # iLO 5 writes "#PowerSupplies/0" without the slash
            content = _step(content, step)
        return Resource(self, key(path), content if isinstance(content, Mapping) else _NOTHING)

    def _read(self, path: str) -> Mapping[str, Any]:
        name = key(path)
        if name not in self._seen:
            full = len(self._seen) >= _MOST_DOCUMENTS
            document = None if full else self.get(path)
            self._seen[name] = document if isinstance(document, Mapping) else _NOTHING
        return self._seen[name]


@dataclass(frozen=True)
class Resource:
    """One document, or one object inside a document; all questions may be asked of it."""

    tree: Tree = field(repr=False, compare=False)
    path: str
    content: Mapping[str, Any] = field(compare=False)

    def __bool__(self) -> bool:
        return bool(self.content)

    def value(self, *names: str) -> Any:
        """What lies at the end of these property names."""
        found: object = self.content
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def text(self, *names: str) -> str | None:
        """None for what nobody filled in."""
        return told(self.value(*names))

    def first(self, *names: str) -> str | None:
        """The first of these properties that tells something."""
        return next(filter(None, map(self.text, names)), None)

    def number(self, *names: str) -> float | None:
        """A number above zero."""
        return decimal(self.value(*names))

    def positive(self, *names: str) -> int | None:
        """A whole number above zero, exactly."""
        return positive(self.value(*names))

    @property
    def id(self) -> str:
        return self.text("Id") or self.text("MemberId") or self.path.rpartition("/")[2]

    @property
    def present(self) -> bool:
        """False for an empty slot. Disabled or on standby is there all the same."""
        return bool(self) and self.value("Status", "State") != "Absent"

    @property
    def health(self) -> str | None:
        """OK, Warning or Critical; iDRAC 8 also tells Ok."""
        told = self.text("Status", "Health") or self.text("Status", "HealthRollup")
        return "OK" if told == "Ok" else told

    def links(self, *names: str) -> list[Resource]:
        """What is linked there: one or many, by reference or put in as a whole."""
        value = self.value(*names)
        found = (self._follow(item) for item in (value if isinstance(value, list) else [value]))
        return list({item.path: item for item in found if item}.values())

    def link(self, *names: str) -> Resource:
        """The one that is linked there, or an empty one."""
        return next(iter(self.links(*names)), Resource(self.tree, "", _NOTHING))

    def paths(self, *names: str) -> list[str]:
        """Where the links lead, without going there."""
        value = self.value(*names)
        found = (reference(item) for item in (value if isinstance(value, list) else [value]))
        return [key(path) for path in found if path]

    def members(self, *names: str) -> list[Resource]:
        """The members of the collection that is linked there, all its pages; a plain array does as well."""
        if isinstance(self.value(*names), list):
            found = self.links(*names)
            return [
                m for item in found for m in (item.all_members() if "Members" in item.content else [item])
            ]
        return self.link(*names).all_members()

    def all_members(self) -> list[Resource]:
        """The members of this collection."""
        return list({item.path: item for page in self._pages() for item in page.links("Members")}.values())

    def _pages(self) -> Iterator[Resource]:
        page, seen = self, set[str]()
        while page and page.path not in seen:
            seen.add(page.path)
            # iLO 4 names its members in links.Member[].href.
            yield page if "Members" in page.content else Resource(self.tree, page.path, _old_members(page))
            following = page.value("Members@odata.nextLink") or page.value("@odata.nextLink")
            path = reference(following)
            page = self.tree.resource(path) if path else Resource(self.tree, "", _NOTHING)

    def _follow(self, item: object) -> Resource:
        path = reference(item)
        inside = item if isinstance(item, Mapping) else _NOTHING
        if path and not _is_whole(inside):
            found = self.tree.resource(path)
            if found:
                return found
        return Resource(self.tree, key(path) if path else f"{self.path}#{id(item)}", _content(inside))


def key(path: str) -> str:
    """A path as we compare it: services write it with and without the last slash."""
    base, mark, pointer = path.partition("#")
    return base.rstrip("/") + (mark + "/" + pointer.strip("/") if mark else "")


def reference(item: object) -> str | None:
    """Where a link leads within the service; iLO 4 calls it href, and some write the whole URL."""
    if isinstance(item, Mapping):
        item = item.get("@odata.id") or item.get("href")
    if not isinstance(item, str):
        return None
    path = re.sub(r"^https?://[^/]+", "", item)
    return path if path.startswith("/") else None


def _is_whole(item: Mapping[str, Any]) -> bool:
    """Put in as a whole ($expand, inline arrays), not a mere reference with a name beside it."""
    return len(_plain(item)) > 2


def _content(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item if _plain(item) else _NOTHING


def _plain(item: Mapping[str, Any]) -> list[str]:
    return [name for name in item if isinstance(name, str) and name != "href" and not name.startswith("@")]


def _old_members(page: Resource) -> Mapping[str, Any]:
    members = page.value("links", "Member")
    return {"Members": members} if isinstance(members, list) else _NOTHING


def _step(content: object, step: str) -> object:
    if isinstance(content, list):
        return content[int(step)] if step.isdecimal() and int(step) < len(content) else None
    return content.get(step) if isinstance(content, Mapping) else None


def labelled(resources: Sequence[Resource], *properties: str) -> list[tuple[str, Resource]]:
    """Each with the name that people know it by: the first property that tells all of them apart, or Id.

    Empty slots belong to it: of two sockets that are both named "Processor" one may be empty. Where two
    controllers both have a drive 0, the controller is put before it.
    """
    for name in properties or ("Name",):
        labels = [item.text(name) for item in resources]
        if all(labels) and len(set(labels)) == len(labels):
            return [(str(label), item) for label, item in zip(labels, resources, strict=True)]
    ids = [item.id for item in resources]
    return [(item.id if ids.count(item.id) == 1 else _long_name(item), item) for item in resources]


def _long_name(item: Resource) -> str:
    parts = item.path.partition("#")[0].split("/")
    return f"{parts[-3]} {item.id}" if len(parts) > 3 else item.id
