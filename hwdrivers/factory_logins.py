"""The passwords that BMCs leave the factory with, as their makers' manuals print them.

Makers that ship each machine with a password of its own (HPE since iLO 2, Dell and Supermicro on order or by
California's law of 2020) have none here for these machines.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from hwdrivers.credentials import Credentials, Secret

_FILE = Path(__file__).with_name("factory_logins.csv")


@cache
def _logins() -> tuple[tuple[str, str, Secret], ...]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple((row["vendor"], row["username"], Secret(row["password"])) for row in rows)


def is_factory_login(login: Credentials) -> bool:
    """Whether some maker ships its BMCs with this log-in."""
    return any((login.username, login.password) == (user, password) for _, user, password in _logins())


def factory_logins(vendor: str | None) -> tuple[Credentials, ...]:
    """What this maker ships; () for one that tells no name. A certificate guards no public password."""
    if not vendor:
        return ()
    said = vendor.lower()
    return tuple(
        Credentials(username, password, verify_tls=False)
        for maker, username, password in _logins()
        if maker.lower() in said or said in maker.lower()
    )
