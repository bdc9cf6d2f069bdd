"""What the seeds of one campaign have in common: folder, configuration, fleet, declared host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seed_machine import PASSWORD
from seed_world import build_images

from bootstrap.compose import open_store
from bootstrap.config import Config, Limits, Provisioning, RamdiskConfig
from bootstrap.key import make
from hwdrivers.credentials import Credentials, Secret
from profiles.hosts import Host, Match
from profiles.site import Site
from seed.store import Store

NETWORK = {"interface": "lo", "address": "127.0.0.1/8", "dhcp_range": ("127.2.0.1", "127.2.0.99")}
HOST = Host(match=Match(), image="debian-12", ssh_keys=("ssh-ed25519 AAAA",))
LIMITS = Limits(ramdisk_boots=20, image_writes=8)


@dataclass(frozen=True)
class Place:
    """Where a campaign's seeds keep everything."""

    folder: Path
    port: int
    fast_track: bool

    @property
    def rack(self) -> Path:
        """Where the machines listen."""
        return self.folder / "rack.sock"

    def config(self) -> Config:
        return Config(
            provisioning=Provisioning.model_validate({**NETWORK, "http_port": self.port}),
            state_dir=self.folder,
            images_dir=self.folder / "images",
            socket=self.folder / "seed.sock",
            ramdisk=RamdiskConfig(image="ramdisk"),
            fast_track=self.fast_track,
            limits=LIMITS,
        )

    def prepare(self) -> Store:
        """What `undercloud init` and `profiles apply` would have made; the store, for who checks it."""
        config = self.config()
        build_images(config.images_dir)
        config.dnsmasq_dir.mkdir()
        make(config.key_file)
        store = open_store(config)
        store.migrate()
        with store.write() as tx:
            tx.credentials.put("rack", Credentials("admin", Secret(PASSWORD)))
            tx.documents.put_site(
                Site(hosts=(Host(match=Match(), image="debian-12", ssh_keys=("ssh-ed25519 AAAA",)),))
            )
        return store
