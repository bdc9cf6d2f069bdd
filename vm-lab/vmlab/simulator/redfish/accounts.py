"""AccountService: the accounts of a BMC, and changing a password."""

from __future__ import annotations

from typing import Any

from vmlab.simulator.redfish.answer import Answer, collection, error, not_found
from vmlab.simulator.redfish.asked import Asked
from vmlab.simulator.redfish.documents import dumps

PATH = "/redfish/v1/AccountService/Accounts"
#: IPMI 2.0 section 22.30 has room for 20 bytes; the password is the same there.
LONGEST = 20


def get(asked: Asked) -> Answer:
    names = list(asked.machine.passwords)
    if asked.path == PATH:
        return Answer(200, dumps(collection(PATH, "ManagerAccount", [str(n + 1) for n in range(len(names))])))
    name = _name(asked)
    return Answer(200, dumps(_account(asked.path, name))) if name else not_found(asked.path)


def patch(asked: Asked, told: dict[str, Any]) -> Answer:
    name, password = _name(asked), told.get("Password")
    if name is None:
        return not_found(asked.path)
    if not isinstance(password, str) or not 8 <= len(password.encode()) <= LONGEST:
        return error(400, "PropertyValueFormatError", f"Password must have 8 to {LONGEST} characters.")
    asked.machine.passwords = {**asked.machine.passwords, name: password}
    asked.machine.done.append(f"password {name}")
    return Answer(200, dumps(_account(asked.path, name)))


def _name(asked: Asked) -> str | None:
    number = asked.path.removeprefix(f"{PATH}/")
    names = list(asked.machine.passwords)
    return names[int(number) - 1] if number.isdecimal() and 0 < int(number) <= len(names) else None


def _account(path: str, name: str) -> dict[str, Any]:
    told = {
        "@odata.id": path,
        "@odata.type": "#ManagerAccount.v1_12_1.ManagerAccount",
        "Id": path.rpartition("/")[2],
    }
    return {
        **told,
        "Name": "Account",
        "UserName": name,
        "Password": None,
        "RoleId": "Administrator",
        "Enabled": True,
    }
