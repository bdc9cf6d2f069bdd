from __future__ import annotations

from datetime import UTC, datetime, timedelta


class MovedClock:
    """Time that passes only when a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, span: timedelta) -> None:
        self.now += max(span, timedelta())
