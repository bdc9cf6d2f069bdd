"""The seed's configuration: one YAML file, read once, strictly."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, NonNegativeInt, StringConstraints, field_validator, model_validator

from bootstrap.provisioning import Provisioning
from profiles.document import Strict, load
from seed.wanted_steps import WantedStep

SHORTEST_INTERVAL = 1  # second, between two sweeps of the nodes' power
DATABASE = "postgresql://USER@HOST:PORT/NAME or postgresql:///NAME?host=/run/postgresql"
DEFAULT_PATH = Path("/etc/undercloud/undercloud.yaml")
IMAGES_DIR = Path(os.environ.get("UNDERCLOUD_IMAGES", "/var/lib/undercloud/images"))


class RamdiskConfig(Strict):
    """Which deploy ramdisk machines boot, and with which kernel arguments besides the seed's own.

    `no_timer_check`: under emulation without KVM some kernels panic in their timer check without it; real
    hardware does not mind.
    """

    image: str = "ramdisk-cloud"
    kernel_arguments: tuple[str, ...] = ("console=tty0", "console=ttyS0,115200", "no_timer_check")


StepName = Annotated[str, StringConstraints(pattern=r"^\w+\.\w+$")]  # INTERFACE.STEP

# Metadata are erased whenever a machine changes hands; whole disks, which takes hours, only when asked for.
CLEAN_PRIORITIES = {"deploy.erase_devices_metadata": 10, "deploy.erase_devices": 0}

# Which of the agent's steps `test` takes: an hour of each, where the agent's own default is a day.
BURN_IN = (
    WantedStep(step="burnin_cpu", args={"agent_burnin_cpu_timeout": 3600}),
    WantedStep(step="burnin_memory", args={"agent_burnin_vm_timeout": 3600}),
)


class Limits(Strict):
    """How much may be under way at once; what comes later waits for its turn."""

    ramdisk_boots: int = Field(default=50, ge=1)
    image_writes: int = Field(default=20, ge=1)

    def by_need(self) -> dict[str, int]:
        """By what steps say that they need."""
        return {"ramdisk boot": self.ramdisk_boots, "image write": self.image_writes}


class PowerSyncConfig(Strict):
    """How often the nodes' power is looked at, in seconds (0: never).

    A BMC that gave no answer `faulty_after` times in a row makes its node faulty. BMCs end an IPMI session
    that was idle for a minute: up to 45 s apart, a sweep finds the session of the one before.
    """

    interval: float = Field(default=45, ge=0, le=86_400)
    faulty_after: int = Field(default=3, ge=1)

    @field_validator("interval")
    @classmethod
    def _not_restless(cls, interval: float) -> float:
        if 0 < interval < SHORTEST_INTERVAL:
            raise ValueError(
                f"{interval} s would keep BMCs busy; 0 (never), or {SHORTEST_INTERVAL} s at least"
            )
        return interval


class Config(Strict):
    """All of `undercloud.yaml`. Without `database` the store is a file in `state_dir`."""

    provisioning: Provisioning
    state_dir: Path = Path("/var/lib/undercloud")
    database: str | None = None
    database_password_file: Path | None = None
    images_dir: Path = IMAGES_DIR
    socket: Path = Path("/run/undercloud/seed.sock")
    ramdisk: RamdiskConfig = RamdiskConfig()
    fast_track: bool = True
    limits: Limits = Limits()
    power_sync: PowerSyncConfig = PowerSyncConfig()
    clean_priorities: dict[StepName, NonNegativeInt] = Field(default_factory=dict)
    burn_in: tuple[WantedStep, ...] = BURN_IN

    @field_validator("state_dir", "images_dir", "socket", "database_password_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_absolute():  # the seed runs in /, this command anywhere
            raise ValueError(f"{path} is relative; write the whole path")
        return path

    @field_validator("burn_in")
    @classmethod
    def _not_held(cls, steps: tuple[WantedStep, ...]) -> tuple[WantedStep, ...]:
        if any(step.step == "hold" for step in steps):
            raise ValueError("a test cannot be held, so 'hold' is none of its steps")
        return steps

    @field_validator("socket")
    @classmethod
    def _short(cls, path: Path) -> Path:
        if len(os.fsencode(path)) > 107:
            raise ValueError(f"{path} is longer than the 107 bytes that a socket's path can have (unix(7))")
        return path

    @field_validator("database")
    @classmethod
    def _shared(cls, url: str | None) -> str | None:
        if url is not None:
            _check_database(url)
        return url

    @model_validator(mode="after")
    def _password_for_something(self) -> Config:
        if self.database_password_file and not self.database:
            raise ValueError("database_password_file: there is no `database` that it could be for")
        return self

    @property
    def priorities(self) -> dict[str, int]:
        """Which of the agent's clean steps come first, by INTERFACE.STEP; 0: only when asked for."""
        return CLEAN_PRIORITIES | self.clean_priorities

    @property
    def store(self) -> Path | str:
        """Where the store is: SQLite's file, or the URL of a PostgreSQL database."""
        return self.database or self.state_dir / "undercloud.sqlite"

    @property
    def name(self) -> str:
        """This seed among those that share a store; the same after a restart."""
        place = hashlib.sha256(bytes(self.state_dir)).hexdigest()[:6]
        return f"{socket.gethostname()[:50]}-{place}"

    @property
    def key_file(self) -> Path:
        return self.state_dir / "secrets.key"

    @property
    def lock_file(self) -> Path:
        return self.state_dir / "seed.lock"

    @property
    def log_file(self) -> Path:
        return self.state_dir / "seed.log"

    @property
    def dnsmasq_dir(self) -> Path:
        return self.state_dir / "dnsmasq"

    @property
    def media_dir(self) -> Path:
        """The boot ISOs of ramdisks."""
        return self.state_dir / "media"

    @property
    def consoles_dir(self) -> Path:
        """What machines wrote to their consoles."""
        return self.state_dir / "consoles"


def _check_database(url: str) -> None:
    """Raises ValueError, which does not repeat what could be a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is none
    except ValueError:
        raise ValueError(f"is no URL such as {DATABASE}") from None
    if parts.password is not None or any("password" in key for key, _ in parse_qsl(parts.query)):
        raise ValueError(
            "holds a password, which would end up in logs: write a new one into a file of mode 0600 and "
            "name that as database_password_file"
        )
    if parts.scheme != "postgresql" or not parts.path.strip("/") or parts.fragment:
        raise ValueError(f"write it as {DATABASE}, or leave it out for a file in state_dir")


def read(path: Path) -> Config:
    """The configuration in `path`; raises DocumentError naming file, line and key."""
    return load(path, Config)
