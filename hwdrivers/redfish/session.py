"""sushy, held to what a fleet can bear: one log-in attempt, few retries, no proxies."""

from __future__ import annotations

import contextlib
from typing import Any

import sushy
from sushy import auth as sushy_auth
from sushy import connector as sushy_connector
from sushy import exceptions as seen

from hwdrivers.bmc import Endpoint
from hwdrivers.redfish.errors import DAMAGED

# Seconds. iDRAC 8 has been seen to think for 20 s; a BMC in the same building connects in milliseconds.
_CONNECT_TIMEOUT, _READ_TIMEOUT = 5.0, 30.0
# sushy's own default asks a BMC that answers 5xx ten times, 3 s apart.
_RETRIES, _RETRY_DELAY = 1, 1


class _OneAttempt(sushy_auth.SessionOrBasicAuth):  # type: ignore[misc]
    """A session where the service has them, else basic; sushy's own tries a refused password again."""

    def _do_authenticate(self) -> None:
        root = self._root_resource.json
        if "SessionService" not in root and "Sessions" not in (root.get("Links") or {}):
            self._fallback_to_basic_authentication()  # sushy-tools 2.2.0
            return
        try:
            sushy_auth.SessionAuth._do_authenticate(self)
        except (seen.MissingXAuthToken, seen.MissingAttributeError):
            self._fallback_to_basic_authentication()
        except seen.HTTPError as error:
            if error.status_code not in (404, 405, 501):
                raise
            self._fallback_to_basic_authentication()


class _Connector(sushy_connector.Connector):  # type: ignore[misc]
    def __init__(self, endpoint: Endpoint) -> None:
        login = endpoint.credentials
        super().__init__(
            endpoint.address.base_url,
            verify=str(login.ca_file) if login.verify_tls and login.ca_file else login.verify_tls,
            server_side_retries=_RETRIES,
            server_side_retries_delay=_RETRY_DELAY,
            default_request_timeout=_READ_TIMEOUT,
            connect_timeout=_CONNECT_TIMEOUT,
        )
        # No web proxy stands between a seed and its BMCs, and ~/.netrc has no say in who logs in.
        self._session.trust_env = False


class Service(sushy.Sushy):  # type: ignore[misc]
    def __init__(self, endpoint: Endpoint) -> None:
        login = endpoint.credentials
        super().__init__(
            endpoint.address.base_url,
            auth=_OneAttempt(login.username, login.password.reveal()),
            connector=_Connector(endpoint),
        )

    _auth: Any

    def log_out(self) -> None:
        """Delete the session on the BMC: it has few of them, and keeps an abandoned one for half an hour."""
        with contextlib.suppress(seen.SushyError, *DAMAGED):
            self._auth.close()
        self._auth = None  # or sushy logs out again when the object is collected
        self._conn.close()
