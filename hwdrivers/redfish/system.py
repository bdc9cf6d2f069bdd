"""One system behind a Redfish service: its documents, what belongs to it, and how to act on them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sushy import exceptions as seen

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint
from hwdrivers.errors import BMCError, Unsupported
from hwdrivers.pace import Pace
from hwdrivers.redfish.documents import Document, Documents, dicts, inside, link, links, texts
from hwdrivers.redfish.errors import translated
from hwdrivers.redfish.quirks import Quirk, quirks_of
from hwdrivers.redfish.session import join, leave
from hwdrivers.told import told


class System:
    """A conversation about one system. Everything that asks the BMC happens within `talking`."""

    def __init__(self, endpoint: Endpoint, pace: Pace, timeout: float) -> None:
        self.address: BMCAddress = endpoint.address
        self.path = endpoint.address.path or ""
        self._endpoint = endpoint
        self._pace = pace
        self._closed = False
        self._talks = 0  # one inside the other
        self._quirks: dict[Quirk, str] | None = None
        self.service = join(endpoint, timeout)
        self.documents = Documents(self.service.connector)

    @contextlib.contextmanager
    def talking(self, action: str) -> Iterator[None]:
        """One call at a time, at the caller's pace, with sushy's errors turned into ours.

        The outermost begins with a fresh look; within it a document is asked for once, until we change one.
        """
        with self.service.lock:
            if self._closed:
                raise BMCError.at(self.address, action, "the session was closed here", "connect again")
            if self._talks == 0:
                self.documents.look_anew()
            self._talks += 1
            self.service.connector.session.pace = self._pace
            try:
                with translated(self.address, action):
                    yield
            finally:
                self._talks -= 1

    def log_in(self) -> None:
        self.service.log_in()
        features = inside(self.service.root, "ProtocolFeaturesSupported", "ExpandQuery")
        self.documents.expands = inside(features, "NoLinks") is True and inside(features, "Levels") is True

    def close(self) -> None:
        """Never raises."""
        with self.service.lock:
            if not self._closed:
                self._closed = True
                leave(self._endpoint, self.service)

    def get(self, path: str | None) -> Document | None:
        """See `Documents.get`."""
        return self.documents.get(path)

    def document(self) -> Document:
        """The system's own document, read anew."""
        document, _ = self.documents.read(self.path)
        if self._quirks is None:
            self._quirks = quirks_of(told(document.get("Manufacturer")), told(document.get("Model")))
        return document

    @property
    def quirks(self) -> dict[Quirk, str]:
        if self._quirks is None:
            self.document()
        return self._quirks or {}

    def part(self, what: str, *names: str) -> tuple[str, Document]:
        """The document that the system names so; raises `Unsupported`."""
        path = link(self.document(), *names)
        document = self.get(path)
        if path is None or document is None:
            raise self.lacks(what)
        return path, document

    def lacks(self, what: str) -> Unsupported:
        words = ("this model does not tell it", "its web page, or its ipmi:// address, may")
        return Unsupported.at(self.address, f"use its {what}", *words)

    def managers(self) -> Iterator[tuple[str, Document]]:
        """Who manages the system; where it does not tell, those who say that they do, or the only one."""
        return self._related(links(self.document(), "Links", "ManagedBy"), "Managers", "ManagerForServers")

    def chassis(self) -> Iterator[tuple[str, Document]]:
        """What contains the system."""
        return self._related(links(self.document(), "Links", "Chassis"), "Chassis", "ComputerSystems")

    def _related(self, told_paths: list[str], root: str, back: str) -> Iterator[tuple[str, Document]]:
        found = False
        for path in told_paths:
            if document := self.get(path):
                found = True
                yield path, document
        if found:
            return
        others = list(self.documents.members(link(self.service.root, root)))
        mine = [other for other in others if self._names_me(links(other[1], "Links", back))]
        yield from mine or (others if len(others) == 1 else [])

    def _names_me(self, paths: list[str]) -> bool:
        return any(path.rstrip("/") == self.path.rstrip("/") for path in paths)

    def patch(self, path: str, body: Document) -> Any:
        """PATCH with the ETag that the resource has now: Huawei and AMI firmware insist (412, 428)."""
        try:
            _, etag = self.documents.read(path)
        except (seen.HTTPError, ValueError, TypeError):  # some settings objects cannot be read
            etag = None
        return self.service.connector.patch(path, data=body, etag=etag)

    def post(self, path: str, body: Document) -> Any:
        return self.service.connector.post(path, data=body)

    def delete(self, path: str) -> Any:
        return self.service.connector.delete(path)

    def action(self, document: Document, name: str) -> str | None:
        """Where to POST an action ("#ComputerSystem.Reset")."""
        return link({"@odata.id": inside(document, "Actions", name, "target")})

    def allowed(self, document: Document, name: str, parameter: str) -> tuple[str, ...]:
        """The values that an action takes, as the resource or its ActionInfo tells; () when neither does."""
        values = texts(inside(document, "Actions", name, f"{parameter}@Redfish.AllowableValues"))
        if values:
            return values
        info = self.get(link({"@odata.id": inside(document, "Actions", name, "@Redfish.ActionInfo")}))
        for entry in dicts(inside(info, "Parameters")):
            if entry.get("Name") == parameter:
                return texts(entry.get("AllowableValues"))
        return ()
