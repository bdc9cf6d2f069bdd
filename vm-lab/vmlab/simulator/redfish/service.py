"""Who may ask a simulated Redfish service, and who answers: sessions, documents, changes, actions."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import dataclass
from typing import Any

from vmlab.simulator.faults import Kind
from vmlab.simulator.fleet import Fleet
from vmlab.simulator.machine import Machine
from vmlab.simulator.personality import Personality
from vmlab.simulator.redfish import accounts, actions, changes, tasks, volumes
from vmlab.simulator.redfish.answer import Answer, collection, error, not_found
from vmlab.simulator.redfish.asked import Asked
from vmlab.simulator.redfish.documents import Documents, dumps

ROOT = "/redfish/v1"
_SESSIONS = f"{ROOT}/SessionService/Sessions"
# DSP0266 section 13.2.1: what strangers may read.
_OPEN = {"/redfish", ROOT, f"{ROOT}/odata", f"{ROOT}/$metadata"}


@dataclass(slots=True)
class Session:
    id: str
    user: str
    last: float


class Service:
    """`handle` answers one request."""

    def __init__(self, fleet: Fleet, personality: Personality) -> None:
        self._fleet = fleet
        self._documents = Documents(personality)
        # iDRAC 7 and 8 have them at /redfish/v1/Sessions.
        root = personality.redfish.get(ROOT, {})
        self._sessions = str(
            (root.get("Links") or {}).get("Sessions", {}).get("@odata.id", _SESSIONS)
        ).rstrip("/")
        self._limit = fleet.settings.redfish_sessions
        self._timeout = fleet.settings.redfish_timeout

    def handle(
        self, machine: Machine, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        machine.requests += 1
        if machine.faults and (busy := machine.faults.get(Kind.BUSY)) is not None:
            text = "The service is temporarily unavailable."
            return error(503, "ServiceTemporarilyUnavailable", text, Retry_After=f"{busy.value:g}")
        path = target.partition("?")[0].rstrip("/")
        asked = Asked(machine, path, self._fleet.now(), self._documents)
        if method == "POST" and path in (self._sessions, f"{self._sessions}/Members"):
            return self._log_in(asked, body)
        if path not in _OPEN or method not in ("GET", "HEAD"):
            refused = self._refusal(machine, headers, asked.now)
            if refused is not None:
                return refused
        return self._get(asked) if method == "GET" else self._change(asked, method, body)

    # --- who asks

    def _refusal(self, machine: Machine, headers: dict[str, str], now: float) -> Answer | None:
        session = machine.redfish_sessions.get(headers.get("x-auth-token", ""))
        if session is not None:
            if now - session.last < self._timeout:
                session.last = now
                return None
            del machine.redfish_sessions[headers["x-auth-token"]]
        elif headers.get("authorization", "").startswith("Basic ") and self._basic(machine, headers, now):
            return None
        return error(401, "NoValidSession", "There is no valid session established with the implementation.")

    def _basic(self, machine: Machine, headers: dict[str, str], now: float) -> bool:
        try:
            told = base64.b64decode(headers["authorization"][6:]).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        user, _, password = told.partition(":")
        # Each request is a log-in here; only those that fail are worth a note.
        right = machine.passwords.get(user) == password
        if right and not machine.locked(now):
            return True
        if machine.login_begins(now):
            machine.login_ends(right)
        return False

    def _log_in(self, asked: Asked, body: bytes) -> Answer:
        told = _object(body)
        if told is None or not isinstance(told.get("UserName"), str) or "Password" not in told:
            return error(400, "PropertyMissing", "UserName and Password are required.")
        machine, now = asked.machine, asked.now
        if not machine.login_begins(now):
            return error(401, "ResourceAtUriUnauthorized", "The account is locked.")
        machine.login_ends(right := machine.passwords.get(told["UserName"]) == told["Password"])
        if not right:
            return error(401, "ResourceAtUriUnauthorized", "The user name or the password is wrong.")
        sessions = machine.redfish_sessions
        for token in [token for token, one in sessions.items() if now - one.last >= self._timeout]:
            del sessions[token]
        if len(sessions) >= self._limit or Kind.FULL in machine.faults:
            return error(503, "SessionLimitExceeded", "All sessions are in use.", Retry_After="30")
        session = Session(secrets.token_hex(4), told["UserName"], now)
        token = secrets.token_hex(16)
        sessions[token] = session
        machine.count_sessions()
        return Answer(
            201,
            dumps(self._session(session)),
            {"X-Auth-Token": token, "Location": f"{self._sessions}/{session.id}"},
        )

    # --- what is asked

    def _get(self, asked: Asked) -> Answer:
        path = asked.path
        if path == "/redfish":
            return Answer(200, dumps({"v1": f"{ROOT}/"}))
        if path.startswith(self._sessions):
            return self._get_sessions(asked)
        if path.startswith(accounts.PATH):
            return accounts.get(asked)
        if path.startswith(tasks.PATH):
            return tasks.get(asked)
        if (volume := volumes.get(asked)) is not None:
            return volume
        body = self._documents.render(path, asked.machine, asked.now)
        if path in self._documents.statuses:
            return error(self._documents.statuses[path], "GeneralError", "As recorded.")
        return Answer(200, body) if body is not None else not_found(path)

    def _get_sessions(self, asked: Asked) -> Answer:
        sessions = asked.machine.redfish_sessions.values()
        if asked.path == self._sessions:
            return Answer(200, dumps(collection(self._sessions, "Session", [one.id for one in sessions])))
        found = next((one for one in sessions if asked.path == f"{self._sessions}/{one.id}"), None)
        return Answer(200, dumps(self._session(found))) if found else not_found(asked.path)

    def _session(self, session: Session) -> dict[str, Any]:
        told = {"@odata.id": f"{self._sessions}/{session.id}", "@odata.type": "#Session.v1_7_1.Session"}
        return {**told, "Id": session.id, "Name": "Session", "UserName": session.user, "Password": None}

    def _change(self, asked: Asked, method: str, body: bytes) -> Answer:
        if method == "DELETE" and asked.path.startswith(f"{self._sessions}/"):
            return self._log_out(asked)
        if method == "DELETE":
            return volumes.delete(asked)
        told = _object(body or b"{}")
        if told is None:
            return error(400, "MalformedJSON", "The request body is not a JSON object.")
        if method == "POST":
            return volumes.create(asked, told) if volumes.is_collection(asked) else actions.post(asked, told)
        if method == "PATCH":
            return changes.patch(asked, told)
        return error(405, "OperationNotAllowed", f"{method} is not allowed here.")

    def _log_out(self, asked: Asked) -> Answer:
        for token, session in asked.machine.redfish_sessions.items():
            if asked.path == f"{self._sessions}/{session.id}":
                del asked.machine.redfish_sessions[token]
                return Answer(204)
        return not_found(asked.path)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
