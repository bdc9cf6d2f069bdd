"""Kill seeds at random moments while they drive a fleet that is never left in peace."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

from chaos_campaign import Outcome, World
from chaos_seeds import Seed
from chaos_site import places

UNBORN = 0.2  # share of the kills that do not wait until a seed answers
LEASE = 5.0  # seconds, of seeds that share a fleet
GONE = 0.06  # share of the kills after which a seed stays away for one to two leases; others live longer then


def random_kills(
    folder: Path, *, kills: int, machines: int, life: float, faults: float, seed: int
) -> Outcome:
    """One seed, with a life of `life` seconds on average after it answered, or after it began to start."""
    random = Random(seed)
    seeds = places(folder, 1, fast_track=True, lease=30, database=None)
    world = World(seeds, machines, random, faults=faults)
    with world.running():
        for _ in range(kills):
            if random.random() >= UNBORN:
                world.until(world.is_up)
            time.sleep(random.expovariate(1 / life))
            world.kill(world.seeds[0])
            world.seeds[0].start()
        return world.outcome("random kills")


def two_seeds(
    folder: Path, database: str, *, kills: int, machines: int, life: float, faults: float, seed: int
) -> Outcome:
    """Two on one database; who stays away has its runs taken over by the other."""
    random = Random(seed)
    seeds = places(folder, 2, fast_track=True, lease=LEASE, database=database)
    world = World(seeds, machines, random, faults=faults)
    with world.running():
        back: dict[Seed, float] = {}
        while world.kills < kills:
            if random.random() >= UNBORN and any(each.alive for each in world.seeds):
                world.until(world.is_up)
            time.sleep(random.expovariate(1 / (LEASE if back else life)))
            _return(back, time.monotonic())
            victim = random.choice(world.seeds)
            if victim.alive:
                world.kill(victim)
                away = random.uniform(LEASE, 2 * LEASE) if random.random() < GONE else 0
                back[victim] = time.monotonic() + away
                _return(back, time.monotonic())
        _return(back, float("inf"))
        return world.outcome("two seeds on PostgreSQL")


def _return(back: dict[Seed, float], now: float) -> None:
    """Start those whose time has come."""
    for seed in [each for each, at in back.items() if at <= now]:
        del back[seed]
        seed.start()
