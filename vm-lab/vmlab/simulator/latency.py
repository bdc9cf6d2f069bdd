"""How long a simulated BMC thinks before it answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log

from vmlab.errors import LabError


@dataclass
class Latency:
    """Seconds. `median` and `sigma` of a log-normal distribution (`sigma` 0: fixed), or `recorded` ones."""

    median: float = 0.0
    sigma: float = 0.0
    recorded: Sequence[float] = ()
    chance: random.Random = field(default_factory=random.Random)

    @classmethod
    def parse(cls, text: str, chance: random.Random) -> Latency:
        """`0.02` (fixed) or `0.02,0.5` (log-normal: median, sigma); empty: at once."""
        try:
            median, _, sigma = text.partition(",")
            return cls(float(median or 0), float(sigma or 0), (), chance)
        except ValueError:
            raise LabError(f"{text!r} is no latency", do="Write 0.02, or 0.02,0.5 (median, sigma).") from None

    @classmethod
    def told(cls, wish: str | Sequence[float], chance: random.Random) -> Latency:
        """As a personality has it: recorded seconds, or as `parse` reads it."""
        return cls.parse(wish, chance) if isinstance(wish, str) else cls(recorded=wish, chance=chance)

    def sample(self) -> float:
        if self.recorded:
            return self.chance.choice(self.recorded)
        if not self.sigma:
            return self.median
        return exp(self.chance.gauss(log(self.median), self.sigma)) if self.median else 0.0
