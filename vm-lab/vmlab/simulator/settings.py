"""What a simulated fleet should be; it travels to the simulator's process as one line of JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vmlab.simulator import addresses


@dataclass(frozen=True)
class Settings:
    """`ipmi_port`, `redfish_port`: None: not served; 0: a free one.

    `bmcs`: None: every address of `block`. `scattered`: they are spread over the block by chance (`seed`).
    `others`: personalities of a part of the fleet, `NAME_OR_FILE@ADDRESSES`.
    `latency`: see `latency.py`; empty: what the personality says. `faults`: as `faults.py` reads them.
    """

    block: str = "127.64.0.0/16"
    bmcs: int | None = 1
    scattered: bool = False
    seed: int = 1
    ipmi_port: int | None = 0
    redfish_port: int | None = 0
    tls: bool = False
    username: str = "admin"
    password: str = field(default="correct horse", repr=False)
    personality: str = "plain"
    others: tuple[str, ...] = ()
    latency: str = ""
    faults: tuple[str, ...] = ()
    #: IPMI 2.0 asks for at least four sessions in a BMC; iDRAC 9 has eight for Redfish.
    ipmi_sessions: int = 4
    redfish_sessions: int = 8
    #: Seconds without a request after which a session is gone (IPMI 2.0 section 6.12.15).
    ipmi_timeout: float = 60.0
    redfish_timeout: float = 1800.0

    def members(self) -> Sequence[int]:
        """The addresses that are BMCs."""
        chance = random.Random(self.seed) if self.scattered else None  # noqa: S311 - to be repeatable
        return addresses.members(self.block, self.bmcs, chance)

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Settings:
        wishes: dict[str, Any] = json.loads(text)
        return cls(**{**wishes, "faults": tuple(wishes["faults"]), "others": tuple(wishes["others"])})
