"""What the seeds of a campaign share and what each has of its own, as `undercloud init` leaves it."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from seed_machine import PASSWORD
from seed_world import build_images

from bootstrap.compose import open_store
from bootstrap.config import Config, Limits, PowerSyncConfig, RamdiskConfig
from bootstrap.key import make
from bootstrap.provisioning import Provisioning
from hwdrivers.credentials import Credentials, Secret
from profiles.hosts import Host, Match
from profiles.site import Site
from seed.store import Store

NETWORK = {"interface": "lo", "address": "127.0.0.1/8", "dhcp_range": ("127.2.0.1", "127.2.0.99")}
HOST = Host(match=Match(), image="debian-12", ssh_keys=("ssh-ed25519 AAAA",))
LIMITS = Limits(ramdisk_boots=20, image_writes=4)


@dataclass(frozen=True)
class Place:
    """Where one seed is; `folder` and `database` are those of all seeds, `lease` is in seconds."""

    folder: str
    name: str
    port: int
    fast_track: bool
    lease: float
    database: str | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @property
    def state(self) -> Path:
        return Path(self.folder, self.name)

    @property
    def rack(self) -> Path:
        """Where the machines listen."""
        return Path(self.folder, "rack.sock")

    def config(self) -> Config:
        return Config(
            provisioning=Provisioning.model_validate({**NETWORK, "http_port": self.port}),
            state_dir=self.state,
            database=self.database,
            images_dir=Path(self.folder, "images"),
            socket=self.state / "seed.sock",
            ramdisk=RamdiskConfig(image="ramdisk"),
            fast_track=self.fast_track,
            limits=LIMITS,
            power_sync=PowerSyncConfig(interval=0),
        )


def places(folder: Path, seeds: int, *, fast_track: bool, lease: float, database: str | None) -> list[Place]:
    """For seeds with ports of their own."""
    names = [f"seed-{number + 1}" for number in range(seeds)]
    return [Place(str(folder), name, _free_port(), fast_track, lease, database) for name in names]


def prepare(seeds: Sequence[Place]) -> Store:
    """What `undercloud init` and `profiles apply` would have made; the store, for who checks it."""
    first, key = seeds[0].config(), seeds[0].config().key_file
    build_images(first.images_dir)
    for seed in seeds:
        seed.state.mkdir(parents=True)
        seed.config().dnsmasq_dir.mkdir()
    make(key)
    for seed in seeds[1:]:
        shutil.copy(key, seed.config().key_file)
    store = open_store(first)
    store.migrate()
    with store.write() as tx:
        tx.credentials.put("rack", Credentials("admin", Secret(PASSWORD)))
        tx.documents.put_site(Site(hosts=(HOST,)))
    return store


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
