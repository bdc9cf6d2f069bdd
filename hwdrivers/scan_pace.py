"""How fast a scan asks, all protocols together, and how many connections it may have open."""

from __future__ import annotations

import asyncio
import resource

# Below the resolution of a timer a sleep costs more than it spares.
_SHORTEST_SLEEP = 0.005
_AT_MOST = 8192
_FOR_OTHERS = 256  # descriptors that the rest of this process may need meanwhile


class Turns:
    """Hands out turns at `rate` packets per second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = 0.0

    @property
    def at_once(self) -> int:
        """How many packets may go out in one go: what is due within a few milliseconds."""
        return max(1, min(64, int(self._rate * _SHORTEST_SLEEP)))

    async def take(self, packets: int = 1) -> None:
        """Wait until the next `packets` may be sent."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - _SHORTEST_SLEEP) + packets / self._rate
        # Even without a need to wait, answers have to be read meanwhile.
        await asyncio.sleep(self._next - now if self._next - now > _SHORTEST_SLEEP else 0)


def connections_at_once() -> int:
    """As many as the limit of descriptors allows; where that is set low (1024), it is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _AT_MOST + _FOR_OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return _AT_MOST if soft == resource.RLIM_INFINITY else max(16, min(_AT_MOST, soft - _FOR_OTHERS))
