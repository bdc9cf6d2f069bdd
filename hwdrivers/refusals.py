"""Log-ins that a BMC refused: never sent twice, and few different ones within a while.

BMCs lock an account, or everybody, after three to five wrong passwords (iDRAC 9: three within a minute;
XCC: five), some until somebody stands in front of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from hwdrivers.credentials import Credentials, Secret

MOST = 2  # different log-ins that may be refused
WINDOW = 900.0  # seconds
_KEPT = 16
_SALT = os.urandom(16)  # of this process: one hash serves a fleet that shares a log-in


class Refusal(NamedTuple):
    """A log-in that nobody can read out of it, and when it was refused (seconds since 1970)."""

    at: float
    salt: str
    digest: str


@lru_cache(maxsize=256)
def _digest(salt: bytes, username: str, password: Secret) -> str:
    # Slow on purpose (some 10 ms): passwords of BMCs are short, and copies of the store get around.
    said = f"{len(username)}:{username}{password.reveal()}".encode()
    return hashlib.scrypt(said, salt=salt, n=2**12, r=8, p=1, dklen=24).hex()


class Refusals:
    """What one way into a BMC refused, the oldest first, and when it let somebody in after that."""

    __slots__ = ("_refused", "accepted_at")

    def __init__(self, refused: Iterable[Refusal] = (), accepted_at: float = 0.0) -> None:
        self._refused = tuple(refused)
        self.accepted_at = accepted_at

    def __iter__(self) -> Iterator[Refusal]:
        return iter(self._refused)

    def __len__(self) -> int:
        return len(self._refused)

    def of(self, login: Credentials) -> Refusal | None:
        """When this log-in was refused; None: it was not, or it is worth another look."""
        for refusal in self._refused:
            if _digest(bytes.fromhex(refusal.salt), login.username, login.password) == refusal.digest:
                return refusal
        return None

    def refused(self, login: Credentials, now: float) -> None:
        """Remember it; no log-in at all is none that could be wrong."""
        if not login.username and not login.password:
            return
        if self.of(login) is None:
            new = Refusal(now, _SALT.hex(), _digest(_SALT, login.username, login.password))
            self._refused = (*self._refused, new)[-_KEPT:]

    def accepted(self, now: float) -> None:
        """A right one: BMCs begin to count anew."""
        self.accepted_at = now


def until(lists: Iterable[Refusals], now: float) -> float | None:
    """Until when no further log-in may be tried, since a few were refused lately, by any way into one BMC."""
    known = list(lists)
    since = max([now - WINDOW, *(refusals.accepted_at for refusals in known)])
    lately = sorted(refusal.at for refusals in known for refusal in refusals if refusal.at > since)
    return lately[-MOST] + WINDOW if len(lately) >= MOST else None
