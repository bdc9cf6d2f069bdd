"""Records what a real BMC answers, and how long it thinks, as a personality for replay."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from vmlab.errors import LabError
from vmlab.simulator import secrecy

ROOT = "/redfish/v1"
# Who is logged in, who gets events, and what the specification says anyway is not the BMC's face.
_LEFT_OUT = ("/Sessions", "/Accounts", "/Subscriptions", "/JsonSchemas", "/Registries/")
# A log repeats itself.
_MOST_LOG_ENTRIES = 20

Told = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """Which side of which BMC is recorded."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme.removeprefix('redfish+')}://{host}:{self.port}"


_PORTS = {"ipmi": 623, "redfish+https": 443, "redfish+http": 80}


def targets(text: str) -> list[Target]:
    """`10.0.0.5` (both protocols), `ipmi://10.0.0.5:6230`, `redfish+https://10.0.0.5`."""
    if "://" not in text:
        return [target for scheme in ("redfish+https", "ipmi") for target in targets(f"{scheme}://{text}")]
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.password:
        do = "Write 10.0.0.5, ipmi://10.0.0.5:6230 or redfish+https://10.0.0.5; no user or password in it."
        raise LabError(f"{text!r} is no BMC to record", do=do)
    return [Target(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])]


class Crawl:
    """Reads a Redfish service, one resource at a time. `told` hears of progress."""

    def __init__(self, target: Target, rate: float, most: int, told: Told) -> None:
        self._target = target
        self._pause = 1 / rate
        self._most = most
        self._told = told
        self.documents: dict[str, Any] = {}
        self.statuses: dict[str, int] = {}
        self.seconds: list[float] = []

    def read(self, username: str, password: str) -> None:
        # A BMC's certificate is its own; a recording is made by somebody who knows which BMC it is.
        with httpx.Client(base_url=self._target.url, verify=False, timeout=60, trust_env=False) as client:  # noqa: S501
            try:
                with _logged_in(client, username, password, self._target.url):
                    self._read_all(client)
            except httpx.HTTPError as error:
                raise LabError(f"{self._target.url}: {type(error).__name__}: {error}") from None

    def _read_all(self, client: httpx.Client) -> None:
        waiting, seen = deque([ROOT]), {ROOT}
        while waiting and len(self.documents) < self._most:
            path = waiting.popleft()
            document = self._get(client, path)
            self._told(f"{len(self.documents)} read, {len(waiting)} to go: {path}")
            for found in _links(document):
                if found not in seen and found.startswith(ROOT) and _wanted(found):
                    seen.add(found)
                    waiting.append(found)

    def _get(self, client: httpx.Client, path: str) -> Any:
        started = time.monotonic()
        answer = client.get(path)
        self.seconds.append(round(time.monotonic() - started, 4))
        time.sleep(self._pause)
        if answer.status_code == 401 and len(self.documents) < 2:  # each more could be the one that locks
            raise _refused(self._target.url)
        try:
            document = answer.json()
        except ValueError:
            document = None
        if answer.status_code == 200 and isinstance(document, dict):
            self.documents[path] = secrecy.without_secrets(document)
            return document
        if answer.status_code != 404:
            self.statuses[path] = answer.status_code
        return None


class _logged_in:
    """A session where the service has them, else each request tells the password; one attempt."""

    def __init__(self, client: httpx.Client, username: str, password: str, where: str) -> None:
        self._client = client
        self._login = {"UserName": username, "Password": password}
        self._where = where
        self._session: str | None = None

    def __enter__(self) -> None:
        sessions = _sessions(self._client.get(ROOT))
        if sessions is None:  # sushy-tools 2.2.0
            self._client.auth = (self._login["UserName"], self._login["Password"])
            return
        answer = self._client.post(sessions, json=self._login)
        if answer.status_code in (401, 403):
            raise _refused(self._where)
        token = answer.headers.get("x-auth-token")
        if token:
            self._client.headers["X-Auth-Token"] = token
            self._session = urlsplit(answer.headers.get("location", "")).path or None
        else:
            self._client.auth = (self._login["UserName"], self._login["Password"])

    def __exit__(self, *_: object) -> None:
        if self._session:
            self._client.delete(self._session)


def _sessions(root: httpx.Response) -> str | None:
    """Where its sessions are (iDRAC 7 and 8: /redfish/v1/Sessions); None: it tells of none."""
    try:
        return str(root.json()["Links"]["Sessions"]["@odata.id"])
    except (ValueError, KeyError, TypeError):
        return f"{ROOT}/SessionService/Sessions" if "SessionService" in root.text else None


def _refused(where: str) -> LabError:
    return LabError(f"{where} refuses the log-in", do="Check --username and --password-file.")


def _wanted(path: str) -> bool:
    if "/Registries/" in path:
        return "BiosAttribute" in path or path.endswith(".json")
    if "/Entries/" in path:
        return path.rpartition("/")[2].isdecimal() and int(path.rpartition("/")[2]) <= _MOST_LOG_ENTRIES
    return not any(part in path for part in _LEFT_OUT)


def _links(part: Any, name: str = "") -> Iterator[str]:
    """Resources that a document names; `Uri` is where the language of a registry lies."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from _links(value, key)
    elif isinstance(part, list):
        for value in part:
            yield from _links(value, name)
    elif isinstance(part, str) and name in ("@odata.id", "Uri"):
        yield part.partition("#")[0].rstrip("/")
