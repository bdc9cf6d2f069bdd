"""Long jobs of a Redfish service: 202 with a task monitor (DSP0266 section 12.2), asked again by its URI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sushy import exceptions as seen

from hwdrivers.errors import Unsupported
from hwdrivers.interfaces import TaskState
from hwdrivers.redfish.documents import Document, dicts, in_service, inside, local, whole
from hwdrivers.redfish.errors import is_busy, words
from hwdrivers.redfish.system import System
from hwdrivers.told import told

_ENDED = {"Completed", "Exception", "Killed", "Cancelled"}
_GONE = "the BMC keeps no record of it any more: see whether it is so"


@dataclass(frozen=True)
class RedfishTask:
    monitor: str


def started(response: Any) -> RedfishTask | None:
    """The task that an accepted request became; None: it is done already, or nobody tells its task."""
    if response.status_code != 202:
        return None
    monitor = in_service(response.headers.get("Location"))
    try:
        body = response.json()
    except ValueError:
        body = None
    monitor = monitor or in_service(inside(body, "TaskMonitor")) or in_service(inside(body, "@odata.id"))
    return RedfishTask(monitor) if monitor else None


def progress(system: System, monitor: str) -> TaskState:
    """Where the task stands. A monitor answers 202 until the job is done, then what the job answers."""
    path = local(monitor)
    if path is None:
        raise Unsupported.at(system.address, "ask for a task", f"{monitor!r} is no task", "give its URI")
    try:
        response = system.service.connector.get(path)
    except seen.HTTPError as error:
        return _ended_badly(system, error)
    try:
        body = response.json() if response.content else {}
    except ValueError:
        body = {}
    return _state(body if isinstance(body, dict) else {}, running=response.status_code == 202)


def _ended_badly(system: System, error: seen.HTTPError) -> TaskState:
    if is_busy(error) or system.service.connector.log_in_refused:
        raise error
    if error.status_code in (404, 410):
        return TaskState(done=True, message=_GONE)
    return TaskState(done=True, failed=f"HTTP {error.status_code}: {words(error)}")


def _state(body: Document, *, running: bool) -> TaskState:
    state = told(body.get("TaskState"))
    done = state in _ENDED if state else not running
    percent = whole(body.get("PercentComplete"))
    message = "; ".join(m for entry in dicts(body.get("Messages")) if (m := told(entry.get("Message"))))
    bad = done and (state not in (None, "Completed") or told(body.get("TaskStatus")) == "Critical")
    return TaskState(
        done=done,
        percent=100 if done and not bad else min(max(percent, 0), 100) if percent is not None else None,
        message=message or state,
        failed=(message or state or "no reason given") if bad else None,
    )
