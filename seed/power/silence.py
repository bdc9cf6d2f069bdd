"""BMCs that do not answer: from when on that is a fault. When they are asked again, the governor decides."""

from __future__ import annotations

from hwdrivers.errors import AccessDenied, LeftAlone
from seed.model import Watched
from seed.power.drift import Finding


class Silence:
    """Counts who has been silent how often; whoever starts anew counts anew."""

    def __init__(self, faulty_after: int) -> None:
        """A fault after so many questions in a row without an answer."""
        self._faulty_after = faulty_after
        self._silent: dict[str, int] = {}

    def heard(self, uuid: str) -> None:
        """It answered."""
        self._silent.pop(uuid, None)

    def silent(self, node: Watched, error: Exception) -> Finding:
        """It did not; a fault at once where the log-in was refused. Who was not asked is as it was."""
        if isinstance(error, LeftAlone):
            return Finding()
        count = self._silent[node.uuid] = self._silent.get(node.uuid, 0) + 1
        faulty = isinstance(error, AccessDenied) or count >= self._faulty_after
        if not faulty or node.fault == str(error):
            return Finding()
        message = f"its BMC cannot be asked: {error}"
        return Finding({"fault": str(error)}, [("fault", message)] if node.fault is None else [])
