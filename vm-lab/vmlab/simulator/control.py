"""The simulator's control: a Unix socket, one JSON object a line in, one out.

{"do": "fault", "fault": "lockout=60:127.64.0.10-20"}
{"do": "clear", "kind": "lockout" or null, "addresses": "127.64.0.10" or null}
{"do": "remembered", "address": "127.64.0.10"}
{"do": "press", "address": "127.64.0.10", "power": "on"}
{"do": "totals"}
{"do": "serves"}

The answer: {"answer": ...} or {"error": "..."}.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from vmlab.errors import LabError
from vmlab.simulator import faults
from vmlab.simulator.addresses import EVERYWHERE, Addresses
from vmlab.simulator.fleet import Fleet


class Control:
    """`serves`: what a client is told of ports and addresses."""

    def __init__(self, fleet: Fleet, serves: dict[str, Any]) -> None:
        self._fleet = fleet
        self._serves = serves
        self._do: dict[str, Callable[[dict[str, Any]], Any]] = {
            "fault": lambda asked: fleet.fault(asked["fault"]),
            "clear": self._clear,
            "remembered": lambda asked: fleet.named(asked["address"]).remembered(fleet.now()),
            "totals": lambda _: fleet.totals(),
            "press": self._press,
            "serves": lambda _: serves,
        }

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            return {"answer": self._do[asked["do"]](asked)}
        except LabError as error:
            return {"error": str(error)}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return {"error": f"not understood: {error!r}"}

    def _clear(self, asked: dict[str, Any]) -> None:
        kind, where = asked.get("kind"), asked.get("addresses")
        places = Addresses.parse(where) if where else EVERYWHERE
        self._fleet.clear_faults(faults.kind_of(kind) if kind else None, places)

    def _press(self, asked: dict[str, Any]) -> None:
        """Somebody presses the power button."""
        machine = self._fleet.named(asked["address"])
        machine.power, machine.power_next = asked["power"] == "on", None
