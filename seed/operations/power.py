"""Whether machines have power, as their BMCs say now: by the sweep, which asks a fleet in seconds."""

from __future__ import annotations

from seed.operations.operation import Operation

STATUS = Operation(None)
