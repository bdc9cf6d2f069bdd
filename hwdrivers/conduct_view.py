"""How a BMC's conduct looks to people: times of day instead of clocks, milliseconds instead of sketches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hwdrivers.breaker import Breaker
from hwdrivers.latency import Latency


def breaker_view(breaker: Breaker, now: float, today: float) -> dict[str, Any]:
    """`today`: what makes seconds since 1970 of the breaker's."""
    return {
        "state": "open" if breaker.is_open else "closed",
        "failures_in_a_row": breaker.row,
        "since": stamp(today + breaker.since) if breaker.row else None,
        "why": breaker.why if breaker.row else None,
        "next_try": stamp(today + max(breaker.until, now)) if breaker.until is not None else None,
    }


def latency_view(latency: Latency | None) -> dict[str, Any]:
    """In milliseconds."""
    seen = latency or Latency()
    numbers = {"mean": seen.mean, "p50": seen.quantile(0.5), "p95": seen.quantile(0.95)}
    in_ms = {name: None if value is None else round(value * 1000, 1) for name, value in numbers.items()}
    return {"count": seen.count, **in_ms}


def stamp(at: float) -> str:
    """ISO 8601, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def clock_time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"


def day_time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
