"""iDRAC's own way to boot from virtual media: the request is sushy's (sushy.oem.dell), the waiting is ours.

sushy's own call would wait for up to nine minutes, and restart a machine to get rid of a pending job.
"""

from __future__ import annotations

from sushy.oem.dell.resources.manager.manager import DellManagerExtension

from hwdrivers.errors import BMCTimeout, ProtocolError
from hwdrivers.redfish import tasks
from hwdrivers.redfish.documents import Document, link, section
from hwdrivers.redfish.system import System
from hwdrivers.told import told

_ACTION = "#OemManager.ImportSystemConfiguration"
_TRIES, _PAUSE = 60, 1.0  # a job of two attributes takes an iDRAC 10 to 30 s


def boot_virtual_cd(system: System) -> bool:
    """Boot from the virtual CD once, from the next start; False where this iDRAC has no such action."""
    for _, manager in system.managers():
        target, name = _target(manager), told(manager.get("Id"))
        if target is not None and name is not None:
            body = DellManagerExtension.IDRAC_CONFIG_CD % (name, "Enabled")
            task = tasks.started(
                system.post(target, {**DellManagerExtension.ACTION_DATA, "ImportBuffer": body})
            )
            if task is not None:
                _wait(system, task.monitor)
            return True
    return False


def _target(manager: Document) -> str | None:
    """The action's name begins with the version of its schema."""
    for name, action in section(manager, "Actions", "Oem").items():
        if name.endswith(_ACTION) and isinstance(action, dict):
            return link({"@odata.id": action.get("target")})
    return None


def _wait(system: System, monitor: str) -> None:
    action = "boot from virtual media"
    for _ in range(_TRIES):
        state = tasks.progress(system, monitor)
        if state.failed:
            advice = "look into its job queue"
            raise ProtocolError.at(system.address, action, state.failed, advice)
        if state.done:
            return
        system.service.connector.session.sleep(_PAUSE)
    raise BMCTimeout.at(system.address, action, "its job does not end", "look into its job queue")
