"""The power of many Redfish systems (DSP0266): one request for a system whose service we are logged in to.

All else that is asked over Redfish goes through sushy (`hwdrivers.redfish.session`). A service that is new to
us is sent the password once: to its Sessions, or as basic authentication where it has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import resource
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
from sushy import exceptions as seen
from yarl import URL

from hwdrivers.address import BMCAddress, Scheme
from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.credentials import Credentials
from hwdrivers.errors import AccessDenied, BMCError, BMCTimeout, LogInRefused, ProtocolError, Unreachable
from hwdrivers.redfish.connector import tamed
from hwdrivers.redfish.documents import Document, dicts, in_service, link, local
from hwdrivers.redfish.driver import chosen_path, power_told
from hwdrivers.redfish.errors import tls_failed, translated

Answered = Callable[[Endpoint, "PowerState | BMCError"], None]

# Seconds. iDRAC 8 has been seen to think for 20 s; a BMC in the same building connects in milliseconds.
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
# Connections stay open from one sweep to the next, as far as the BMC lets them.
_KEPT_SECONDS = 90.0
_MOST_BYTES = 1 << 20  # of a document; a system's own has some 10 KB
_SESSIONS = "/redfish/v1/SessionService/Sessions"  # DSP0266 section 13.3.4 (session login)
_ROOT, _SYSTEMS = "/redfish/v1/", "/redfish/v1/Systems"
_LOOK, _LOG_IN = "read the power state", "log in"
_NO_SESSIONS = (404, 405, 501)
_CHECK = "check the address, the port and the cable"
DENIED_FOR = 900.0  # seconds in which the same password is not tried again

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Reply:
    """One answer, read to its end."""

    status: int
    headers: Any
    body: bytes


@dataclass
class _Service:
    """One log-in at one service. `lock`: it is asked one thing at a time, whatever system that is about."""

    base: str
    credentials: Credentials
    keeps: bool  # one of those whose connection may stay open
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    entered: bool = False
    headers: dict[str, str] = field(default_factory=dict)  # the token, or basic authentication
    session: str | None = None  # its path, to log out
    system: str | None = None  # the only one
    refused: tuple[LogInRefused, float] | None = None  # and when
    urls: dict[str, URL] = field(default_factory=dict)  # by path: parsing one takes as long as sending it

    def url(self, path: str) -> URL:
        found = self.urls.get(path)
        if found is None:
            found = self.urls[path] = URL(self.base + path)
        return found

    def lose_session(self) -> None:
        self.entered, self.session, self.headers = False, None, {}


class RedfishSweep:
    """Asks Redfish services for power, as tasks of an event loop that the caller runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, answered: Answered, *, at_once: int = 128) -> None:
        self._loop, self._answered, self._at_once = loop, answered, at_once
        self._http: aiohttp.ClientSession | None = None
        self._services: dict[tuple[str, Credentials], _Service] = {}
        self._tls: dict[tuple[bool, object], ssl.SSLContext] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        # Others need files as well: the store, the operators, and IPMI consoles.
        self._most_kept = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4

    @property
    def under_way(self) -> int:
        return len(self._asking)

    def room(self) -> bool:
        return len(self._asking) < self._at_once

    def ask(self, endpoint: Endpoint) -> None:
        task = self._loop.create_task(self._look(endpoint))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def tick(self) -> None:
        """Nothing to do."""

    def forget(self, address: BMCAddress) -> Sequence[asyncio.Task[None]]:
        """End the session, while the loop runs the next time."""
        if not address.is_redfish:
            return ()
        keys = [key for key in self._services if key[0] == address.base_url]
        tasks = [self._loop.create_task(self._log_out(self._services.pop(key))) for key in keys]
        for task in tasks:
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        return tasks

    def stop(self) -> None:
        for task in self._asking:
            task.cancel()
        if self._asking:
            self._loop.run_until_complete(asyncio.wait(set(self._asking)))

    def close(self) -> None:
        """Log out everywhere, for a few seconds at most."""
        self.stop()
        if self._http is not None:
            self._loop.run_until_complete(self._leave(self._http))

    async def _leave(self, http: aiohttp.ClientSession) -> None:
        log_outs = [self._log_out(service) for service in self._services.values()]
        self._services.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.gather(*self._leaving, *log_outs)
        await http.close()

    async def _look(self, endpoint: Endpoint) -> None:
        key = (endpoint.address.base_url, endpoint.credentials)
        service = self._services.get(key)
        if service is None:
            service = self._services[key] = _Service(*key, keeps=len(self._services) < self._most_kept)
        answer: PowerState | BMCError
        try:
            async with service.lock:
                answer = await self._power(service, endpoint)
        except BMCError as error:
            answer = error.with_traceback(None)
        except Exception as error:
            log.exception("%s: its power cannot be read", endpoint.address)
            seen_here = f"reading its answer failed ({type(error).__name__})"
            answer = BMCError.at(endpoint.address, _LOOK, seen_here, "report it with the log")
        self._answered(endpoint, answer)

    # --- one service

    async def _power(self, service: _Service, endpoint: Endpoint) -> PowerState:
        was_in = service.session is not None
        await self._enter(service, endpoint)
        reply = await self._system(service, endpoint)
        if reply.status == 401 and was_in:
            service.lose_session()  # it was idle for too long, or the BMC was reset
            await self._enter(service, endpoint)
            reply = await self._system(service, endpoint)
        if reply.status == 404:
            service.system = None
            paths = await self._systems(service, endpoint)
            chosen_path(endpoint.address, paths)
        return power_told(endpoint.address, self._document(service, endpoint, _LOOK, reply))

    async def _system(self, service: _Service, endpoint: Endpoint) -> _Reply:
        path = endpoint.address.path or service.system
        if path is None:
            path = chosen_path(endpoint.address, await self._systems(service, endpoint))
            service.system = path
        return await self._request(service, endpoint, _LOOK, "GET", path)

    async def _systems(self, service: _Service, endpoint: Endpoint) -> list[str]:
        reply = await self._request(service, endpoint, _LOG_IN, "GET", _SYSTEMS)
        document = self._document(service, endpoint, _LOG_IN, reply)
        return [path for member in dicts(document.get("Members")) if (path := link(member))]

    async def _enter(self, service: _Service, endpoint: Endpoint) -> None:
        """Log in, if we are not."""
        if service.refused is not None and self._loop.time() - service.refused[1] < DENIED_FOR:
            raise service.refused[0]
        if not service.entered and service.credentials.username:
            await self._log_in(service, endpoint)
        service.entered, service.refused = True, None

    async def _log_in(self, service: _Service, endpoint: Endpoint) -> None:
        reply = await self._open_session(service, endpoint, _SESSIONS)
        if reply.status in (*_NO_SESSIONS, 401):
            # A service without sessions may ask for basic authentication already here (sushy-tools 2.2.0).
            path = await self._sessions_path(service, endpoint)
            if path is not None and path.rstrip("/") != _SESSIONS and reply.status != 401:
                reply = await self._open_session(service, endpoint, path)
            elif path is None:
                reply = _Reply(404, {}, b"")
        token = reply.headers.get("X-Auth-Token")
        if reply.status in _NO_SESSIONS or (reply.status < 300 and not token):
            service.headers = {"Authorization": _basic(endpoint.credentials)}
            return
        if reply.status >= 300 or token is None:
            self._document(service, endpoint, _LOG_IN, reply)  # raises its refusal; a redirect is none
            seen_here = f"HTTP {reply.status} to a log-in"
            raise ProtocolError.at(endpoint.address, _LOG_IN, seen_here, "give the address it redirects to")
        service.headers = {"X-Auth-Token": token}
        service.session = in_service(reply.headers.get("Location"))

    async def _open_session(self, service: _Service, endpoint: Endpoint, path: str) -> _Reply:
        login = endpoint.credentials
        words = {"UserName": login.username, "Password": login.password.reveal()}
        return await self._request(service, endpoint, _LOG_IN, "POST", path, json=words)

    async def _sessions_path(self, service: _Service, endpoint: Endpoint) -> str | None:
        """Where the service root says that its sessions are; None: it has none."""
        reply = await self._request(service, endpoint, _LOG_IN, "GET", _ROOT)
        root = self._document(service, endpoint, _LOG_IN, reply)
        has = "SessionService" in root
        return link(root, "Links", "Sessions") or (_SESSIONS if has else None)

    async def _log_out(self, service: _Service) -> None:
        path, headers, login = service.session, service.headers, service.credentials
        service.lose_session()
        if path is None or self._http is None:
            return
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            url, tls = service.base + path, self._tls.get((login.verify_tls, login.ca_file), True)
            async with self._http.delete(url, headers=headers, ssl=tls, allow_redirects=False):
                pass

    # --- HTTP

    async def _request(
        self, service: _Service, endpoint: Endpoint, action: str, method: str, path: str, **more: Any
    ) -> _Reply:
        """One request, and one more where the service names the same thing otherwise within itself."""
        with _worded(endpoint.address, action):
            reply = await self._once(service, endpoint, method, path, **more)
            if method == "GET" and reply.status in (301, 302, 307, 308):  # iLO 4 wants a slash at the end
                target = urlsplit(reply.headers.get("Location", ""))
                if f"{target.scheme}://{target.netloc}" in ("://", service.base):
                    reply = await self._once(service, endpoint, method, local(target.path) or path)
        return reply

    async def _once(
        self, service: _Service, endpoint: Endpoint, method: str, path: str, **more: Any
    ) -> _Reply:
        if self._http is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS)
            # No proxy from the environment, no cookies from one BMC to another.
            self._http = aiohttp.ClientSession(
                connector=connector, timeout=_TIMEOUT, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        headers = {"Accept": "application/json", "OData-Version": "4.0", **service.headers}
        if not service.keeps:
            headers["Connection"] = "close"
        url, tls = service.url(path), self._context(endpoint)
        async with self._http.request(
            method, url, headers=headers, ssl=tls, allow_redirects=False, **more
        ) as response:
            return _Reply(response.status, response.headers, await _body(response))

    def _document(self, service: _Service, endpoint: Endpoint, action: str, reply: _Reply) -> Document:
        """The JSON object in an answer, or its refusal in the driver's words."""
        if reply.status == 401 and not service.credentials.username:
            words = ("read it without a log-in", "HTTP 401", "name credentials")
            raise AccessDenied.at(endpoint.address, *words)
        try:
            with translated(endpoint.address, _LOG_IN if reply.status == 401 else action):
                if reply.status >= 400:
                    seen.raise_for_response("GET", service.base, tamed(_response(reply)))
                document = json.loads(reply.body)
                if not isinstance(document, dict):
                    raise TypeError("no JSON object")
                return document
        except LogInRefused as error:
            service.refused = error.with_traceback(None), self._loop.time()
            raise

    def _context(self, endpoint: Endpoint) -> ssl.SSLContext | bool:
        if endpoint.address.scheme is not Scheme.REDFISH_HTTPS:
            return True  # aiohttp's default; nothing is encrypted
        key = (endpoint.credentials.verify_tls, endpoint.credentials.ca_file)
        if key not in self._tls:
            self._tls[key] = _context(endpoint)
        return self._tls[key]


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    login = endpoint.credentials
    try:
        context = ssl.create_default_context(cafile=login.ca_file if login.verify_tls else None)
    except OSError as error:
        words = f"its CA file {login.ca_file} cannot be used: {error.strerror or error}"
        raise BMCError.at(endpoint.address, _LOG_IN, words, "correct ca_file") from None
    if not login.verify_tls:
        # BMCs of 2012 to 2016 offer TLS 1.0 and 1024-bit keys only.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


def _response(reply: _Reply) -> requests.Response:
    """As the driver gets it."""
    response = requests.Response()
    response.status_code, response._content = reply.status, reply.body
    response.headers.update(reply.headers)
    return response


def _basic(login: Credentials) -> str:
    return "Basic " + b64encode(f"{login.username}:{login.password.reveal()}".encode()).decode()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """All of it; ValueError where that is too much."""
    if (response.content_length or _MOST_BYTES + 1) <= _MOST_BYTES:
        return await response.read()
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
    return body


@contextlib.contextmanager
def _worded(address: BMCAddress, action: str) -> Iterator[None]:
    """aiohttp's errors in the driver's words. `from None`: their frames hold the password."""
    try:
        yield
    except aiohttp.ClientSSLError as error:
        raise tls_failed(address, action, _reason(error)) from None
    except aiohttp.ConnectionTimeoutError:
        text = f"no answer within {_TIMEOUT.sock_connect:g} s"
        raise Unreachable.at(address, action, text, _CHECK) from None
    except TimeoutError:
        text = "it took the question and did not answer"
        raise BMCTimeout.at(address, action, text, "try again") from None
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
        raise Unreachable.at(address, action, _reason(error), _CHECK) from None
    except (aiohttp.ClientError, ValueError) as error:
        text = f"an answer that is not as the standard says ({type(error).__name__}: {error})"
        raise ProtocolError.at(address, action, text, "update its firmware") from None


def _reason(error: Exception) -> str:
    """The words of the operating system or of OpenSSL."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLError):
        text = getattr(cause, "verify_message", "") or (cause.reason or str(cause)).lower().replace("_", " ")
        return str(text)
    number = getattr(cause, "errno", None) or 0
    words = os.strerror(number) if number > 0 else getattr(cause, "strerror", None)
    return words or str(cause) or "it closed the connection"
