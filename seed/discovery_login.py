"""Who a BMC says it is: one session, credentials tried in order, and few that may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwdrivers.address import AddressError, BMCAddress, Scheme
from hwdrivers.bmc import BMC, Identity
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import (
    AccessDenied,
    BMCError,
    BMCTimeout,
    Busy,
    ProtocolError,
    SeveralSystems,
    Unreachable,
)
from hwdrivers.factory_logins import factory_logins, is_factory_login
from hwdrivers.scan_machines import FoundMachine
from seed.bmcs import BMCs

MOST_REFUSED = 2  # BMCs lock an account after three to five
FACTORY = "factory default"  # in the place of a name of credentials

# The other protocol of the same BMC may do better; a certificate that is not trusted stays so.
_OTHER_WAY = (Unreachable, BMCTimeout, Busy, ProtocolError)


@dataclass(frozen=True)
class Told:
    """What one machine told, at its address; `error` where it told nothing.

    `login` is the name of the credentials that let us in; `factory`: with the password of the factory.
    """

    address: BMCAddress
    identity: Identity | None = None
    login: str | None = None
    factory: bool = False
    mac: str | None = None
    error: BMCError | None = None


@dataclass(frozen=True)
class Login:
    """Credentials, and what they are called."""

    name: str
    credentials: Credentials


class Tried:
    """What one machine said to the log-ins so far."""

    def __init__(self) -> None:
        self.refused: list[BMCError] = []
        self.last: BMCError | None = None
        self._sent: set[tuple[str, Secret]] = set()
        self._untrusting: set[tuple[bool, Path | None]] = set()

    def is_new(self, login: Login) -> bool:
        """Not one password under two names, nor one whose `verify_tls` and `ca_file` distrust the BMC."""
        return _password(login) not in self._sent and _trust(login) not in self._untrusting

    def may_go_on(self, login: Login, said: BMCError) -> bool:
        """Whether another log-in may do better after this error."""
        self.last = said
        if _is_untrusted(said):
            self._untrusting.add(_trust(login))
            return True
        self._sent.add(_password(login))
        if isinstance(said, AccessDenied):
            self.refused.append(said)
        return isinstance(said, AccessDenied)


def _password(login: Login) -> tuple[str, Secret]:
    return login.credentials.username, login.credentials.password


def _trust(login: Login) -> tuple[bool, Path | None]:
    return login.credentials.verify_tls, login.credentials.ca_file


class Questions:
    """Asks BMCs who they are. Any thread may use it, for different BMCs."""

    def __init__(
        self,
        bmcs: BMCs,
        *,
        most_refused: int = MOST_REFUSED,
        check_defaults: bool = False,
        with_mac: bool = False,
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self._bmcs = bmcs
        self._most_refused = most_refused
        self._check_defaults = check_defaults
        self._with_mac = with_mac
        self._ended = ended

    def defaults(self, machine: FoundMachine) -> list[Login]:
        """The log-ins of the factory that are to be tried on this machine."""
        vendor = next((found.vendor for found in machine.findings if found.vendor), None)
        return [Login(FACTORY, login) for login in factory_logins(vendor) if self._check_defaults]

    def ask(self, machine: FoundMachine, logins: Sequence[Login]) -> list[Told]:
        """One answer, or one for each system behind the BMC."""
        where = machine.best.address
        tried = Tried()
        for login in logins:
            if self._ended():
                break
            if not tried.is_new(login):
                continue
            if len(tried.refused) >= self._most_refused:
                return [Told(where, error=_enough(machine, tried.refused))]
            said = self._ask(machine, login)
            if isinstance(said, list):
                return said
            if not tried.may_go_on(login, said):
                return [Told(where, error=said)]
        return [Told(where, error=tried.last)]

    def _ask(self, machine: FoundMachine, login: Login) -> list[Told] | BMCError:
        others = [found.address for found in machine.others if found.address.scheme is Scheme.IPMI]
        error: BMCError | None = None
        for address in (machine.best.address, *others):
            try:
                return self._systems(address, login)
            except BMCError as said:
                error = error or said
                if not isinstance(said, _OTHER_WAY) or _is_untrusted(said):
                    return said
        return error or []

    def _systems(self, address: BMCAddress, login: Login) -> list[Told]:
        try:
            return [self._who(address, login)]
        except SeveralSystems as several:
            return [self._system(choice, login) for choice in _usable(several)]

    def _system(self, address: BMCAddress, login: Login) -> Told:
        """One of several: what goes wrong with it stays with it."""
        try:
            return self._who(address, login)
        except BMCError as error:
            return Told(address, error=error)

    def _who(self, address: BMCAddress, login: Login) -> Told:
        with self._bmcs.log_in(str(address), login.credentials) as bmc:
            identity = bmc.identify()
            mac = _mac(bmc) if self._with_mac else None
        return Told(address, identity, login.name, is_factory_login(login.credentials), mac)


def _is_untrusted(error: BMCError) -> bool:
    """Its certificate is not trusted, so that nothing was sent."""
    return isinstance(error, Unreachable) and not error.retryable


def _enough(machine: FoundMachine, refused: Sequence[BMCError]) -> BMCError:
    tries = f"{len(refused)} log-ins were refused; no further one is tried, or it might lock itself"
    last = str(refused[-1])
    for found in machine.findings:
        last = last.removeprefix(f"{found.address}: ")
    return AccessDenied.at(machine.best.address, "log in", tries, f"the last one said: {last}")


def _usable(several: SeveralSystems) -> Iterator[BMCAddress]:
    for choice in several.choices:
        try:
            yield BMCAddress.parse(str(choice))
        except AddressError:  # a path that the standard does not allow
            continue


def _mac(bmc: BMC) -> str | None:
    """The MAC of the BMC itself, where it tells one."""
    try:
        return next((manager.mac for manager in bmc.inventory().managers if manager.mac), None)
    except BMCError:
        return None
