"""Reading a service's documents, where nothing that is absent or of a wrong type is an error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sushy import exceptions as seen

from hwdrivers.redfish.connector import Connector
from hwdrivers.redfish.errors import is_busy
from hwdrivers.told import told

Document = dict[str, Any]
# Pages and members of one collection: a service whose next page is the first one must not hold us for ever.
_MOST_PAGES, MOST_MEMBERS = 50, 2000
# Query parameters of DSP0266 section 7.3: all members in one answer instead of one request each.
_EXPAND = "?$expand=.($levels=1)"


class Documents:
    """The documents of one service; all may raise sushy's errors. What was read is kept until `look_anew`."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self.expands = False
        self._kept: dict[str, tuple[Document, str | None]] = {}
        self._kept_since = 0

    def look_anew(self) -> None:
        self._kept.clear()
        self._kept_since = self._connector.changes

    def read(self, path: str) -> tuple[Document, str | None]:
        """A document that must be there, and its ETag."""
        if self._connector.changes != self._kept_since:
            self.look_anew()
        if path not in self._kept:
            self._kept[path] = self._fetch(path)
        return self._kept[path]

    def _fetch(self, path: str) -> tuple[Document, str | None]:
        response = self._connector.get(path)
        document = response.json()
        if not isinstance(document, dict):
            raise TypeError(f"{path} is no JSON object")
        return document, response.headers.get("ETag") or told(document.get("@odata.etag"))

    def get(self, path: str | None) -> Document | None:
        """None: no such path, 404, a refusal of this one document, a 5xx that is no overload, or no JSON."""
        if path is None:
            return None
        try:
            return self.read(path)[0]
        except seen.HTTPError as error:
            if is_busy(error) or self._connector.log_in_refused:
                raise
            return None
        except (ValueError, TypeError, RecursionError):
            return None

    def members(self, path: str | None) -> Iterator[tuple[str, Document]]:
        """Path and document of every member that can be read."""
        seen_paths: set[str] = set()
        for member in self.listed(path):
            address = link(member)
            if address is None or address in seen_paths or len(seen_paths) >= MOST_MEMBERS:
                continue
            seen_paths.add(address)
            # X10's log entries and expanded members come whole.
            document = member if "Id" in member else self.get(address)
            if document is not None:
                yield address, document

    def paths(self, path: str | None) -> list[str]:
        """The addresses of the members, without reading them."""
        return [address for member in self.listed(path, expand=False) if (address := link(member))]

    def listed(self, path: str | None, *, expand: bool = True) -> Iterator[Document]:
        """The entries of a collection, page by page: references, or whole documents."""
        page = self._first_page(path, expand)
        for _ in range(_MOST_PAGES):
            if page is None:
                return
            yield from dicts(page.get("Members"))
            page = self.get(local(page.get("Members@odata.nextLink")))

    def _first_page(self, path: str | None, expand: bool) -> Document | None:
        if path is not None and expand and self.expands:
            page = self.get(path + _EXPAND)
            if page is not None and isinstance(page.get("Members"), list):
                return page
            self.expands = False  # it promised more than it keeps
        return self.get(path)


def local(path: object) -> str | None:
    """A path within the service; None for anything else, such as another host that would get our token."""
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//") or "\\" in path:
        return None
    if any(ord(c) < 33 or ord(c) == 127 for c in path) or "/../" in path:
        return None
    return path.split("#")[0]


def in_service(uri: object) -> str | None:
    """The path of a URI that a service gives of itself, often with its host."""
    if not isinstance(uri, str):
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return local(parts.path + (f"?{parts.query}" if parts.query else ""))


def inside(document: object, *names: str) -> Any:
    """What lies at these names, one inside the other; None as soon as one is not there."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def section(document: object, *names: str) -> Document:
    found = inside(document, *names)
    return found if isinstance(found, dict) else {}


def link(document: object, *names: str) -> str | None:
    """The address that a reference object names ({"@odata.id": path})."""
    return local(inside(document, *names, "@odata.id"))


def links(document: object, *names: str) -> list[str]:
    """The addresses in a list of reference objects."""
    return [path for entry in dicts(inside(document, *names)) if (path := link(entry))]


def dicts(value: object) -> list[Document]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def texts(value: object) -> tuple[str, ...]:
    """The texts in a list (allowable values, media types)."""
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def number(value: object) -> float | None:
    """A number, also where it came as text; True and NaN are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if abs(result) < 1e300 else None


def whole(value: object) -> int | None:
    result = number(value)
    return None if result is None else int(result)


def moment(value: object) -> datetime | None:
    """A time stamp; None for one of a clock that was never set. Without a zone it is taken as UTC."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if at is None or at.year <= 1990:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
