"""Power of a fleet of simulated Redfish services: the sweep beside a bare aiohttp loop that asks the same.

Exits with 1 when the sweep takes more than 1.3 times as long, or tells anything wrong. See README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import aiohttp
from contest import Verdict, alternate, report
from fleets import PASSWORD, USER, checked, endpoints, redfish_fleet
from processes import end_like_interrupt
from vmlab.simulator import Simulation

from hwdrivers.bmc import Endpoint
from hwdrivers.sweep import Sweep

TIMES_SLOWER = 1.3
AT_ONCE = 128  # as the sweep does
SESSIONS, SYSTEM = "/redfish/v1/SessionService/Sessions", "/redfish/v1/Systems/1"


def main() -> None:
    options = _options()
    end_like_interrupt()
    with redfish_fleet(options.bmcs) as simulation:
        bare, sweep = Bare(simulation), Sweep()
        asked = all_of(simulation)
        good = contest(
            "logs in", {"sweep": lambda: cold(asked), "bare aiohttp": Bare(simulation).cold}, options
        )
        checked(sweep, asked)
        bare.log_in()
        warm = {"sweep": lambda: checked(sweep, asked), "bare aiohttp": bare.ask}
        good &= contest("logged in", warm, options)
        sweep.close()
        bare.close()
    sys.exit(not good)


def contest(title: str, ways, options: argparse.Namespace) -> bool:
    timings = alternate(ways, options.rounds)
    ours, peer = timings["sweep"].wall, timings["bare aiohttp"].wall
    words = f"{ours:.2f} s, bare aiohttp {peer:.2f} s: {ours / peer:.2f} times (at most {TIMES_SLOWER})"
    verdict = Verdict(words, ours <= TIMES_SLOWER * peer)
    return report(
        f"{options.bmcs} Redfish services, {title}", list(timings.values()), [verdict], options.output
    )


def all_of(simulation: Simulation) -> list[Endpoint]:
    """With the system in the address, so that nobody has to look for it."""
    return endpoints([simulation.redfish(each) + SYSTEM for each in simulation.addresses])


def cold(asked: list[Endpoint]) -> None:
    """Log in, ask, log out."""
    sweep = Sweep()
    checked(sweep, asked)
    sweep.close()


class Bare:
    """What one would write by hand: one client, one task for each service, no care for anything."""

    def __init__(self, simulation: Simulation) -> None:
        self._bases = [f"http://{each}:{simulation.redfish_port}" for each in simulation.addresses]
        self._loop = asyncio.new_event_loop()
        self._headers: dict[str, dict[str, str]] = {}
        self._places: dict[str, str] = {}
        self._http: aiohttp.ClientSession | None = None

    def cold(self) -> None:
        self.log_in()
        self.ask()
        self._all(self._log_out)
        self.close()
        self._http, self._loop = None, asyncio.new_event_loop()

    def log_in(self) -> None:
        self._all(self._log_in)

    def ask(self) -> None:
        powers = self._all(self._power)
        if powers != ["Off"] * len(self._bases):
            sys.exit(f"MISSED: the bare loop heard {set(powers)}")

    def close(self) -> None:
        if self._http is not None:
            self._loop.run_until_complete(self._http.close())
        self._loop.close()

    def _all(self, what) -> list:
        return self._loop.run_until_complete(self._gather(what))

    async def _gather(self, what) -> list:
        if self._http is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=90)
            self._http = aiohttp.ClientSession(connector=connector)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(base: str):
            async with room:
                return await what(self._http, base)

        return await asyncio.gather(*map(one, self._bases))

    async def _log_in(self, http: aiohttp.ClientSession, base: str) -> None:
        login = {"UserName": USER, "Password": PASSWORD}
        async with http.post(base + SESSIONS, json=login) as response:
            await response.read()
            self._headers[base] = {"X-Auth-Token": response.headers["X-Auth-Token"]}
            self._places[base] = response.headers["Location"]

    async def _power(self, http: aiohttp.ClientSession, base: str) -> str:
        async with http.get(base + SYSTEM, headers=self._headers[base]) as response:
            return (await response.json())["PowerState"]

    async def _log_out(self, http: aiohttp.ClientSession, base: str) -> None:
        async with http.delete(base + self._places[base], headers=self._headers[base]) as response:
            await response.read()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bmcs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
