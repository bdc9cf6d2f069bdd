"""Log-ins at Redfish services: one attempt, one session for all systems behind a service."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import sushy
from sushy import auth as sushy_auth
from sushy import exceptions as seen
from sushy.resources import base as sushy_base

from hwdrivers.bmc import Endpoint
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import BMCError, LogInRefused
from hwdrivers.redfish.connector import Connector
from hwdrivers.redfish.errors import DAMAGED, NeedsLogIn, is_busy


class _OneAttempt(sushy_auth.SessionOrBasicAuth):  # type: ignore[misc]
    """A session where the service has them, else basic. A password that was refused is not sent again."""

    def __init__(self, endpoint: Endpoint) -> None:
        login = endpoint.credentials
        super().__init__(login.username, login.password.reveal())
        self._address = endpoint.address
        self._refused = False

    def _do_authenticate(self) -> None:
        if self._refused:
            raise LogInRefused.at(
                self._address, "log in again", "the log-in was refused before", "correct the credentials"
            )
        root = self._root_resource.json
        links = root.get("Links")
        if "SessionService" not in root and "Sessions" not in (links if isinstance(links, dict) else {}):
            self._fallback_to_basic_authentication()  # sushy-tools 2.2.0
            return
        try:
            sushy_auth.SessionAuth._do_authenticate(self)
        except (seen.MissingXAuthToken, seen.MissingAttributeError):
            self._fallback_to_basic_authentication()
        except seen.HTTPError as error:
            self._refused = isinstance(error, seen.AccessError) and not is_busy(error)
            if error.status_code not in (404, 405, 501):
                raise
            self._fallback_to_basic_authentication()

    def refresh_session(self) -> None:
        """sushy would open a new session for each thing that we may not see: a 403, or a 401 that stays."""
        last = self._connector.last
        if last is not None and (last.status_code == 403 or last.url in self._connector.forbidden):
            seen.raise_for_response(last.request.method, last.url, last)
        super().refresh_session()

    def changed(self, password: Secret) -> None:
        """The BMC has taken a new password for this user."""
        self._password = self.basic_auth._password = password.reveal()
        if self._connector._session.auth is not None:
            self.basic_auth.authenticate()


class _NoLogIn(sushy_auth.AuthBase):  # type: ignore[misc]
    """For services that ask for none."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def _do_authenticate(self) -> None:
        last = self._connector.last
        if self._asked:  # sushy asks us to log in again after a 401 or 403
            kind = NeedsLogIn if last.status_code == 401 else seen.AccessError
            raise kind(last.request.method, last.url, last)
        self._asked = True

    def can_refresh_session(self) -> bool:
        return False


class _Root(sushy.Sushy):  # type: ignore[misc]
    """sushy's service root, logged in."""

    identity = sushy_base.Field("Id")  # asked for by DSP0266, missing in mockups, and nobody needs it
    _auth: Any

    def __init__(self, endpoint: Endpoint, connector: Connector) -> None:
        anonymous = not endpoint.credentials.username
        self._auth = None  # sushy's __del__ looks for it also when the root cannot be read
        auth = _NoLogIn() if anonymous else _OneAttempt(endpoint)
        try:
            super().__init__(endpoint.address.base_url, auth=auth, connector=connector)
        except seen.AccessError:
            if anonymous or connector.last is None or connector.last.request.method != "GET":
                raise
            # It shows its root (DSP0266: to everybody) only with a password, which was not sent yet.
            login = endpoint.credentials
            connector.set_http_basic_auth(login.username, login.password.reveal())
            super().__init__(endpoint.address.base_url, auth=auth, connector=connector)

    def log_out(self) -> None:
        """Delete the session on the BMC: it has few of them, and keeps an abandoned one for half an hour."""
        with contextlib.suppress(seen.SushyError, BMCError, *DAMAGED):
            self._auth.close()
        self._auth = None  # or sushy logs out again when the object is collected


class Service:
    """One log-in at one service. `lock`: it is asked one thing at a time, whatever system that is about."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.lock = threading.RLock()
        self.connector = Connector(endpoint, timeout)
        self._endpoint = endpoint
        self._root: _Root | None = None
        self._refused = False
        self.users = 0

    def log_in(self) -> None:
        """Once, also for those who waited for somebody else's attempt."""
        if self._refused:
            words = ("the same log-in was refused a moment ago", "correct the credentials")
            raise LogInRefused.at(self._endpoint.address, "log in", *words)
        if self._root is None:
            try:
                self._root = _Root(self._endpoint, self.connector)
            except seen.AccessError as error:
                self._refused = not is_busy(error)
                raise

    @property
    def root(self) -> dict[str, Any]:
        """The service root's document."""
        document = self._root.json if self._root is not None else None
        return document if isinstance(document, dict) else {}

    def password_changed(self, username: str, password: Secret) -> None:
        """Go on with the new password, if it is ours; who opens this service anew has to log in."""
        auth = self._root._auth if self._root is not None else None
        if isinstance(auth, _OneAttempt) and username == self._endpoint.credentials.username:
            auth.changed(password)
            with _OPENING:
                _forget(self._endpoint, self)

    def end(self) -> None:
        """Never raises."""
        with self.lock:
            if self._root is not None:
                self._root.log_out()
            self._root = None
            self.connector.close()


# The services that are open now: several systems behind one BMC share its one session.
_OPEN: dict[tuple[str, Credentials], Service] = {}
_OPENING = threading.Lock()


def join(endpoint: Endpoint, timeout: float) -> Service:
    """The service at this address for this log-in; `leave` it in the end."""
    with _OPENING:
        service = _OPEN.get(_key(endpoint)) or Service(endpoint, timeout)
        _OPEN[_key(endpoint)] = service
        service.users += 1
        return service


def leave(endpoint: Endpoint, service: Service) -> None:
    """The last one logs out. Never raises."""
    with _OPENING:
        service.users -= 1
        if service.users > 0:
            return
        _forget(endpoint, service)
    service.end()


def _forget(endpoint: Endpoint, service: Service) -> None:
    if _OPEN.get(_key(endpoint)) is service:
        del _OPEN[_key(endpoint)]


def _key(endpoint: Endpoint) -> tuple[str, Credentials]:
    return endpoint.address.base_url, endpoint.credentials
