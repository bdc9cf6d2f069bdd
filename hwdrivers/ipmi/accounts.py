"""Users of the BMC (IPMI 2.0 sections 22.26 to 22.30)."""

from __future__ import annotations

import dataclasses

from hwdrivers.credentials import Secret
from hwdrivers.errors import AccessDenied, BMCError, InvalidParameterValue, ProtocolError, Unsupported
from hwdrivers.interfaces import Account
from hwdrivers.ipmi.errors import refused
from hwdrivers.ipmi.kept_session import KeptSession

_APP = 0x06  # network function
_LIST = "list its users"
_SET, _TEST = 2, 3
_WRONG, _WRONG_SIZE = 0x80, 0x81
_LENGTH = 20
_ROLES = {1: "Callback", 2: "User", 3: "Operator", 4: "Administrator", 5: "OEM", 15: "No access"}
_MAY_LOG_IN = ("Operator", "Administrator")  # our session asks for these privileges
_DISABLED = 2


class Accounts:
    """`hwdrivers.interfaces.Accounts` over IPMI, as the LAN channel has them that we came in on."""

    def __init__(self, bmc: KeptSession) -> None:
        self._bmc = bmc

    def all(self) -> tuple[Account, ...]:
        slots = self._access(1)[0] & 0x3F
        named = ((slot, self._name(slot)) for slot in range(1, slots + 1))
        return tuple(self._account(slot, name) for slot, name in named if name)

    def set_password(self, username: str, password: Secret) -> None:
        """20 bytes at most. Verified: a BMC may keep 16 of them and say nothing (seen: ipmi_sim)."""
        what = f"set the password of {username}"
        account = next((account for account in self.all() if account.username == username), None)
        if account is None:
            raise InvalidParameterValue.at(
                self._bmc.address, what, "it has no such user", "list its accounts"
            )
        if not 0 < len(password.reveal().encode()) <= _LENGTH:
            seen = "the new password is empty or has more than 20 bytes"
            raise InvalidParameterValue.at(self._bmc.address, what, seen, "IPMI takes 1 to 20 bytes")
        code = self._send(what, account, _SET, password)
        if code != 0:
            raise refused(self._bmc.address, what, code)
        self._verify(what, account, password)
        self._bmc.password_changed(username, password)

    def _verify(self, what: str, account: Account, password: Secret) -> None:
        """By a log-in where that needs no more than the password, else by the BMC's word for it."""
        if not (account.enabled and account.role in _MAY_LOG_IN):
            if self._send(what, account, _TEST, password) in (_WRONG, _WRONG_SIZE):
                raise self._mistaken(what, "set it again")
            return
        login = dataclasses.replace(
            self._bmc.endpoint.credentials, username=account.username, password=password
        )
        try:
            self._bmc.log_in(login).hang_up()
        except AccessDenied:
            raise self._mistaken(what, self._put_back(what, account)) from None

    def _mistaken(self, what: str, advice: str) -> BMCError:
        seen = "it took the new password, and does not know it now (some keep 16 bytes only)"
        return ProtocolError.at(self._bmc.address, what, seen, advice)

    def _put_back(self, what: str, account: Account) -> str:
        """Our own old password, over the session that is still open; what to do next, in words."""
        old = self._bmc.endpoint.credentials
        if account.username == old.username and self._send(what, account, _SET, old.password) == 0:
            return "the old one was put back; choose one of at most 16 bytes"
        return "set one of at most 16 bytes"

    def _send(self, what: str, account: Account, operation: int, password: Secret) -> int:
        padded = password.reveal().encode().ljust(_LENGTH, b"\0")
        return self._bmc.answer(what, _APP, 0x47, (0x80 | int(account.id), operation, *padded))[0]

    def _account(self, slot: int, name: str) -> Account:
        access = self._access(slot)
        role = _ROLES.get(access[3] & 0x0F)
        return Account(str(slot), name, role, enabled=access[1] >> 6 != _DISABLED)

    def _access(self, slot: int) -> bytes:
        return self._bmc.ask(_LIST, _APP, 0x44, (self._bmc.channel, slot), least=4)

    def _name(self, slot: int) -> str:
        try:
            raw = self._bmc.ask(_LIST, _APP, 0x46, (slot,))
        except (Unsupported, ProtocolError):  # seen: empty slots are refused
            return ""
        return raw[:16].partition(b"\0")[0].decode("latin-1").strip()
