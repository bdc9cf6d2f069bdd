"""BMCs that do not answer: from when on that is a fault, and when to ask them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from hwdrivers.errors import AccessDenied
from seed.model import Watched
from seed.power.drift import Finding
from seed.power.pauses import Pauses
from seed.power.poll import Login

# A BMC that is silent costs 12 s each time; one that refuses the log-in may lock the account for everybody.
SILENT, DENIED = timedelta(minutes=10), timedelta(minutes=30)


class Silence:
    """Knows who has been silent how often; whoever starts anew asks everybody."""

    def __init__(self, faulty_after: int, interval: timedelta, clock: Callable[[], datetime]) -> None:
        """A fault after so many times in a row; from then on the pauses grow from `interval`."""
        self._faulty_after = faulty_after
        self._pauses = Pauses(interval, SILENT, clock, free=faulty_after)
        self._denied: dict[str, Login] = {}

    def due(self, nodes: Sequence[Watched], login: Callable[[str], Login]) -> list[str]:
        """Who is to be asked now, by UUID; at once where there is another log-in than the refused one."""
        self._forgive({node.uuid: node for node in nodes}, login)
        return [node.uuid for node in nodes if self._pauses.over(node.uuid)]

    def _forgive(self, nodes: Mapping[str, Watched], login: Callable[[str], Login]) -> None:
        refused = {uuid: was for uuid, was in self._denied.items() if uuid in nodes}
        now = {name: login(name) for name in {nodes[uuid].credentials for uuid in refused}}
        for uuid, was in refused.items():
            if now[nodes[uuid].credentials] != was:
                self.heard(uuid)

    def heard(self, uuid: str) -> None:
        """It answered, or is to be asked as if it had."""
        self._pauses.end(uuid)
        self._denied.pop(uuid, None)

    def silent(self, node: Watched, error: Exception, login: Login) -> Finding:
        """It did not; a fault at once where the log-in was refused, which is not tried again soon."""
        denied = isinstance(error, AccessDenied)
        count = self._pauses.add(node.uuid, DENIED if denied else timedelta())
        if denied:
            self._denied[node.uuid] = login
        if not (denied or count >= self._faulty_after) or node.fault == str(error):
            return Finding()
        message = f"its BMC cannot be asked: {error}"
        return Finding({"fault": str(error)}, [("fault", message)] if node.fault is None else [])
