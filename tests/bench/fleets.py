"""Simulated fleets for benchmarks, and how a sweep over one is taken and checked."""

from __future__ import annotations

import secrets
import sys

from vmlab.simulator import Settings, Simulation

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.sweep import Sweeps

USER, PASSWORD = "admin", secrets.token_hex(8)


def ipmi_fleet(bmcs: int) -> Simulation:
    """BMCs that answer at once."""
    block, port = "127.64.0.0/16", None
    return Simulation(Settings(block=block, bmcs=bmcs, redfish_port=port, password=PASSWORD, latency="0"))


def redfish_fleet(bmcs: int) -> Simulation:
    """Services that answer at once, without TLS."""
    block, port = "127.64.0.0/16", None
    return Simulation(Settings(block=block, bmcs=bmcs, ipmi_port=port, password=PASSWORD, latency="0"))


def endpoints(addresses: list[str]) -> list[Endpoint]:
    login = Credentials(USER, Secret(PASSWORD))
    return [Endpoint(BMCAddress.parse(each), login) for each in addresses]


def checked(sweep: Sweeps, asked: list[Endpoint]) -> None:
    """One sweep; ends the benchmark when it tells anything wrong."""
    answers = list(sweep.power(asked))
    wrong = [answer for _, answer in answers if answer is not PowerState.OFF]
    if wrong or len({id(endpoint) for endpoint, _ in answers}) != len(asked):
        sys.exit(f"MISSED: {len(answers)} answers of {len(asked)}, {len(wrong)} wrong: {wrong[:3]}")
