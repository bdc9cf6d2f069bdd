"""Who was told of lately: who asks for hours, or under ever new names, fills neither memory nor journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

STRANGERS, STRANGER_AGAIN = 256, 240.0  # in so many seconds; firmware that nobody answers asks for hours


class Lately:
    """Lets each key through once in `again` seconds, and no more than `most` keys in that time."""

    def __init__(self, most: int, again: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._again = again
        self._clock = clock
        self._told: dict[Hashable, float] = {}  # in the order of their times
        self._lock = threading.Lock()

    def is_new(self, key: Hashable) -> bool:
        """Whether it is to be told of now; from then on it was."""
        with self._lock:
            now = self._clock()
            while self._told and now - next(iter(self._told.values())) >= self._again:
                del self._told[next(iter(self._told))]
            if key in self._told or len(self._told) >= self._most:
                return False
            self._told[key] = now
            return True
