"""The scheme of an address picks the driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hwdrivers.address import Scheme
from hwdrivers.bmc import BMC, Endpoint
from hwdrivers.errors import AccessDenied, BMCError, BMCTimeout, Busy, Unreachable
from hwdrivers.ipmi.driver import IPMI
from hwdrivers.pace import UNPACED, Pace
from hwdrivers.redfish.driver import Redfish


class Driver(Protocol):
    """Logs in when it is called."""

    def __call__(self, endpoint: Endpoint, *, pace: Pace = UNPACED) -> BMC: ...


# To add a protocol: a driver in one file, a Scheme, a line here, and the contract suite run against it.
DRIVERS: Mapping[Scheme, Driver] = {
    Scheme.IPMI: IPMI,
    Scheme.REDFISH_HTTPS: Redfish,
    Scheme.REDFISH_HTTP: Redfish,
}


def connect(endpoint: Endpoint, *, pace: Pace = UNPACED) -> BMC:
    """Log in, with one attempt. Raises `BMCError`. Keep what you get: BMCs have few sessions.

    An address without a scheme is tried as Redfish over https, then as IPMI; what tells a password wrong
    ends the search, since the second try would count as the next wrong password.
    """
    scheme = endpoint.address.scheme
    if scheme is not None:
        return DRIVERS[scheme](endpoint, pace=pace)
    return _probe(endpoint, pace)


def _probe(endpoint: Endpoint, pace: Pace) -> BMC:
    heard: list[str] = []
    for scheme in (Scheme.REDFISH_HTTPS, Scheme.IPMI):
        candidate = Endpoint(endpoint.address.with_scheme(scheme), endpoint.credentials)
        try:
            return DRIVERS[scheme](candidate, pace=pace)
        except (AccessDenied, Busy, BMCTimeout):
            raise
        except BMCError as error:
            heard.append(str(error))
    raise Unreachable("; ".join(heard) + "; where you know the protocol, write ipmi:// or redfish://")
