"""Who may log in to the BMC (DSP0268 AccountService)."""

from __future__ import annotations

from collections.abc import Iterator

from hwdrivers.credentials import Secret
from hwdrivers.errors import InvalidParameterValue, Unsupported
from hwdrivers.interfaces import Ability, Account
from hwdrivers.redfish.documents import Document, link, whole
from hwdrivers.redfish.system import System
from hwdrivers.told import told


class RedfishAccounts:
    def __init__(self, system: System) -> None:
        self._system = system

    def all(self) -> tuple[Account, ...]:
        with self._system.talking("list the accounts"):
            return tuple(account for _, account in self._members(self._service()))

    def set_password(self, username: str, password: Secret) -> None:
        with self._system.talking(f"change the password of {username}"):
            service = self._service()
            self._check_length(service, username, password)
            self._system.patch(self._slot(service, username), {"Password": password.reveal()})
            self._system.service.password_changed(username, password)

    def ability(self) -> Ability:
        with self._system.talking("look for its accounts"):
            found = link(self._service(), "Accounts") is not None
        return Ability(found, "" if found else "it lists no accounts")

    def _service(self) -> Document:
        service = self._system.get(link(self._system.service.root, "AccountService"))
        if service is None:
            raise self._system.lacks("accounts")
        return service

    def _members(self, service: Document) -> Iterator[tuple[str, Account]]:
        """iDRAC has 16 slots that are always there; those without a name are free."""
        for path, document in self._system.documents.members(link(service, "Accounts")):
            username = document.get("UserName")
            if isinstance(username, str) and username.strip():
                identity = told(document.get("Id")) or path.rpartition("/")[2]
                enabled = document.get("Enabled") is not False
                yield path, Account(identity, username, told(document.get("RoleId")), enabled)

    def _slot(self, service: Document, username: str) -> str:
        found = {account.username: path for path, account in self._members(service)}
        if username not in found:
            words = (f"there is no account {username}", f"use one of {', '.join(sorted(found)) or 'none'}")
            raise Unsupported.at(self._system.address, "change a password", *words)
        return found[username]

    def _check_length(self, service: Document, username: str, password: Secret) -> None:
        least = whole(service.get("MinPasswordLength")) or 0
        most = whole(service.get("MaxPasswordLength")) or 0
        if not least <= len(password.reveal()) <= (most or 10_000):
            seen = f"it takes passwords of {least or 1} to {most or 'any number of'} characters"
            action = f"change the password of {username}"
            raise InvalidParameterValue.at(self._system.address, action, seen, "choose another one")
