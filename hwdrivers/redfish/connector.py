"""HTTP to one Redfish service: sushy's connector, held to what a BMC can bear and to what it may do to us."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from sushy import connector as sushy_connector
from sushy import exceptions as seen

from hwdrivers.bmc import Endpoint
from hwdrivers.errors import LogInRefused
from hwdrivers.pace import UNPACED, Pace

# Seconds. iDRAC 8 has been seen to think for 20 s; a BMC in the same building connects in milliseconds.
_CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 30.0
# Seconds. What was answered "not now" is asked once more, if the BMC asks for no longer a pause than this.
_PATIENCE, _PAUSE = 5.0, 1.0
_NOT_NOW = (429, 503)
# An answer that trickles, or does not end, must not hold us: how often its time it may take, and its bytes.
_TRICKLE, _MOST_BYTES = 4, 32 * 1024 * 1024


class _Paced(requests.Session):
    """Obeys the pace of whoever is asking, and tells it how each request went."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        super().__init__()
        self.pace: Pace = UNPACED
        # No web proxy stands between a seed and its BMCs, and ~/.netrc has no say in who logs in.
        self.trust_env = False
        self.sleep = sleep

    def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]
        response = self._once(method, url, **more)
        seconds = _asked_pause(response)
        if method == "GET" and response.status_code in _NOT_NOW and seconds <= _PATIENCE:
            self.sleep(seconds)
            response = self._once(method, url, **more)
        return tamed(response)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Only within the same service: requests would send the session's token along to anybody."""
        target: str | None = super().get_redirect_target(resp)
        host = urlsplit(target or "").netloc
        if host and host != urlsplit(resp.url).netloc:
            raise requests.exceptions.InvalidURL(f"Error: it sends us on to {host}, another service")
        return target

    def _once(self, method: str, url: str, **more: Any) -> requests.Response:
        self.pace.wait()
        begun = time.monotonic()
        try:
            response: requests.Response = super().request(method, url, stream=True, **more)
            _read(response, begun + _TRICKLE * _seconds(more.get("timeout")))
        except requests.exceptions.SSLError:
            self.pace.answered(time.monotonic() - begun)
            raise
        except requests.RequestException as error:
            self.pace.overloaded(time.monotonic() - begun, type(error).__name__)
            raise
        seconds = time.monotonic() - begun
        if response.status_code in _NOT_NOW:
            self.pace.overloaded(seconds, f"HTTP {response.status_code}")
        else:
            self.pace.answered(seconds)
        return response


def _seconds(timeout: Any) -> float:
    """Of a timeout to connect and one to read, the second."""
    return float(timeout[1] if isinstance(timeout, tuple) else timeout or READ_TIMEOUT)


def _read(response: requests.Response, until: float) -> None:
    """Read the body, and raise what requests would."""
    try:
        response._content = _bounded(response.raw, until)
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from error
    finally:
        response.close()


def _bounded(raw: Any, until: float) -> bytes:
    """All bytes, in bounded time (by `time.monotonic`) and memory; requests itself bounds neither."""
    body = bytearray()
    while chunk := raw.read1(65536, decode_content=True):
        body += chunk
        if len(body) > _MOST_BYTES or time.monotonic() > until:
            raise requests.exceptions.ReadTimeout("Error: its answer does not end")
    return bytes(body)


def _asked_pause(response: requests.Response) -> float:
    """Retry-After in seconds (RFC 9110 section 10.2.3; no BMC was seen to send the date that it allows)."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else _PAUSE


def tamed(response: requests.Response) -> requests.Response:
    """An error's body in the shape that sushy takes for granted (DSP0266 section 8.6), whatever it was."""
    if response.status_code >= 400:
        response._content = json.dumps({"error": _error(response)}).encode()
    return response


def _error(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    more = error.get("@Message.ExtendedInfo")
    return {
        "code": error["code"] if isinstance(error.get("code"), str) else "Base.1.0.GeneralError",
        "message": error["message"] if isinstance(error.get("message"), str) else "",
        "@Message.ExtendedInfo": [m for m in more if isinstance(m, dict)] if isinstance(more, list) else [],
    }


class _AnyTLS(HTTPAdapter):
    """For whom `verify_tls` is false: BMCs of 2012 to 2016 offer TLS 1.0 and 1024-bit keys only."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        super().init_poolmanager(*args, ssl_context=context, **more)


class Connector(sushy_connector.Connector):  # type: ignore[misc]
    """One attempt for each request; what sushy knows of ETags and of lost sessions stays as it is."""

    def __init__(
        self, endpoint: Endpoint, timeout: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        login = endpoint.credentials
        super().__init__(
            endpoint.address.base_url,
            verify=str(login.ca_file) if login.verify_tls and login.ca_file else login.verify_tls,
            server_side_retries=1,  # sushy's word for one attempt to connect
            default_request_timeout=timeout,
            connect_timeout=_CONNECT_TIMEOUT,
            response_callback=self._remember,
        )
        paced = _Paced(sleep)
        paced.headers.update(self._session.headers)
        if not login.verify_tls:
            paced.mount("https://", _AnyTLS())
        self._session: Any = paced
        self.last: requests.Response | None = None
        self.forbidden: set[str] = set()  # what a fresh session did not open either
        self.changes = 0  # requests that may have changed something
        self._address = endpoint.address
        self._basic_refused = False

    @property
    def session(self) -> _Paced:
        session: _Paced = self._session
        return session

    @property
    def log_in_refused(self) -> bool:
        """Whether the last answer was about the log-in itself, not about one document."""
        if self.last is None or self.last.status_code != 401:
            return False
        return self.last.request.method == "POST" or self._session.auth is not None

    def _remember(self, response: requests.Response) -> None:
        self.last = response
        self.changes += response.request.method != "GET"
        self._basic_refused = response.status_code == 401 and self._session.auth is not None

    def _op(self, method: str, path: str = "", *args: Any, **more: Any) -> Any:
        # Whatever host a document names (a session's Location often has a name of the BMC's own): only ours
        # gets the password and the token.
        parts = urlsplit(path)
        path = parts._replace(scheme="", netloc="").geturl() if parts.netloc else path
        if self._basic_refused:  # each request carries the password, and counts as a try
            words = ("the log-in was refused before", "correct the credentials")
            raise LogInRefused.at(self._address, "log in again", *words)
        # sushy asks again after any 5xx; a BMC that cannot do something says 500 or 501 each time.
        more.setdefault("server_side_retries_left", 0)
        try:
            return super()._op(method, path, *args, **more)
        except seen.AccessError:
            if not more.get("allow_reauth", True) and self.last is not None:
                self.forbidden.add(self.last.url)
            raise
