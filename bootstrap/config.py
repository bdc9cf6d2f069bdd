"""The seed's configuration: one YAML file, read once, strictly."""

from __future__ import annotations

import hashlib
import os
import socket
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, NonNegativeInt, StringConstraints, field_validator, model_validator

from profiles.document import Strict, load
from pxe.dnsmasq import DHCPMode, ProvisioningNetwork, Subnet
from pxe.firmware import UEFILoader
from seed.wanted_steps import WantedStep

DEFAULT_HTTP_PORT = 8080
SHORTEST_INTERVAL = 1  # second, between two sweeps of the nodes' power
DATABASE = "postgresql://USER@HOST:PORT/NAME or postgresql:///NAME?host=/run/postgresql"
DEFAULT_PATH = Path("/etc/undercloud/undercloud.yaml")
IMAGES_DIR = Path(os.environ.get("UNDERCLOUD_IMAGES", "/var/lib/undercloud/images"))


AddressRange = tuple[IPv4Address, IPv4Address]


class UnknownMachines(StrEnum):
    """What becomes of a machine that asks and is not enrolled."""

    IGNORE = "ignore"
    INSPECT = "inspect"


class RelayedSubnet(Strict):
    """A network whose router relays DHCP to the seed (RFC 2131 section 4.1)."""

    network: IPv4Network
    router: IPv4Address
    dhcp_range: AddressRange

    @model_validator(mode="after")
    def _fits(self) -> RelayedSubnet:
        _check_range(self.dhcp_range, self.network)
        if self.router not in self.network:
            raise ValueError(f"router {self.router} is not in {self.network}")
        if self.dhcp_range[0] <= self.router <= self.dhcp_range[1]:
            raise ValueError(f"dhcp_range contains the router {self.router}")
        return self

    def subnet(self) -> Subnet:
        return Subnet(self.network, self.router, *self.dhcp_range)


class Provisioning(Strict):
    """The network that machines boot from, and how DHCP is done there (docs/booting.md).

    `address` is this seed's own. Seeds that share a store share a `service_address` too.
    """

    interface: str
    address: IPv4Interface
    dhcp: DHCPMode = DHCPMode.SERVER
    dhcp_range: AddressRange | None = None
    subnets: tuple[RelayedSubnet, ...] = ()
    embedded_tftp: bool = False
    """With `dhcp: none`: serve loaders by TFTP all the same, for a site's DHCP server that names them."""
    uefi_loader: UEFILoader = UEFILoader.IPXE
    unknown_machines: UnknownMachines = UnknownMachines.IGNORE
    http_port: int = Field(default=DEFAULT_HTTP_PORT, ge=1, le=65535)
    files_port: int | None = Field(default=None, ge=1, le=65535)
    """Where kernel, ramdisk and images are fetched; None: the port after `http_port`."""
    service_address: IPv4Address | None = None
    media_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@]+$")] | None = None
    """Where BMCs reach the seed's HTTP port, if not as machines do; such as https://proxy.bmc.example."""

    @model_validator(mode="after")
    def _range_inside(self) -> Provisioning:
        if self.dhcp_range is None:
            return self
        _check_range(self.dhcp_range, self.address.network)
        first, last = self.dhcp_range
        if first <= self.address.ip <= last:
            raise ValueError(f"dhcp_range {first}-{last} contains the seed's own address {self.address.ip}")
        return self

    @model_validator(mode="after")
    def _ranges_as_the_mode_needs(self) -> Provisioning:
        if self.dhcp is DHCPMode.SERVER and self.dhcp_range is None:
            raise ValueError("dhcp_range: the addresses to lease are needed, since `dhcp` is server")
        if self.dhcp is DHCPMode.RELAY and not self.subnets:
            raise ValueError("subnets: the networks behind relays are needed, since `dhcp` is relay")
        if self.subnets and self.dhcp is not DHCPMode.RELAY:
            raise ValueError(f"subnets are behind relays, but `dhcp` is {self.dhcp}; write `dhcp: relay`")
        if self.dhcp_range and self.dhcp in (DHCPMode.PROXY, DHCPMode.NONE):
            raise ValueError(f"dhcp_range: nothing is leased, since `dhcp` is {self.dhcp}; leave it out")
        return self

    @model_validator(mode="after")
    def _two_ports(self) -> Provisioning:
        if self.port_of_files == self.http_port or self.port_of_files > 65535:
            raise ValueError(f"files_port {self.port_of_files} must be another port than http_port")
        return self

    @model_validator(mode="after")
    def _one_tftp_server(self) -> Provisioning:
        if self.embedded_tftp and self.dhcp is not DHCPMode.NONE:
            raise ValueError(f"embedded_tftp: dnsmasq serves TFTP, since `dhcp` is {self.dhcp}; leave it out")
        return self

    @model_validator(mode="after")
    def _answers_strangers(self) -> Provisioning:
        if self.dhcp is DHCPMode.NONE and self.unknown_machines is UnknownMachines.INSPECT:
            raise ValueError("unknown_machines: inspect needs DHCP, and `dhcp` is none")
        return self

    @model_validator(mode="after")
    def _service_address_free(self) -> Provisioning:
        shared = self.service_address
        if shared is None:
            return self
        if shared not in self.address.network or shared == self.address.ip:
            raise ValueError(
                f"service_address {shared} must be another address of {self.address.network} than the seed's "
                f"own {self.address.ip}: it moves to the seed that leads"
            )
        if self.dhcp_range and self.dhcp_range[0] <= shared <= self.dhcp_range[1]:
            raise ValueError(f"service_address {shared} is inside of dhcp_range, so it would be leased")
        return self

    def network(self) -> ProvisioningNetwork:
        """What dnsmasq's configuration is rendered from."""
        first, last = self.dhcp_range or (None, None)
        return ProvisioningNetwork(
            interface=self.interface,
            network=self.address.network,
            address=self.address.ip,
            first=first,
            last=last,
            mode=self.dhcp,
            subnets=tuple(each.subnet() for each in self.subnets),
            strangers=self.inspects_unknown,
            uefi_loader=self.uefi_loader,
        )

    @property
    def serves_tftp(self) -> bool:
        return self.dhcp is not DHCPMode.NONE or self.embedded_tftp

    @property
    def inspects_unknown(self) -> bool:
        return self.unknown_machines is UnknownMachines.INSPECT

    @property
    def machines_address(self) -> IPv4Address:
        """Where machines find the seed: of several that share a store, the one that leads."""
        return self.service_address or self.address.ip

    @property
    def service_interface(self) -> IPv4Interface | None:
        """The shared address with the network's prefix."""
        if self.service_address is None:
            return None
        return IPv4Interface(f"{self.service_address}/{self.address.network.prefixlen}")

    @property
    def base_url(self) -> str:
        return f"http://{self.machines_address}:{self.http_port}"

    @property
    def port_of_files(self) -> int:
        return self.files_port or self.http_port + 1

    @property
    def ports(self) -> tuple[int, int]:
        """Where machines reach the seed by HTTP."""
        return self.http_port, self.port_of_files

    @property
    def files_url(self) -> str:
        return f"http://{self.machines_address}:{self.port_of_files}"

    @property
    def media_base_url(self) -> str:
        """As BMCs reach the seed."""
        return self.media_url or self.base_url


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


def _check_range(leased: AddressRange, network: IPv4Network) -> None:
    """Raises ValueError."""
    for address in leased:
        if address not in network:
            raise ValueError(f"dhcp_range: {address} is not in {network}")
    if leased[0] > leased[1]:
        raise ValueError(f"dhcp_range: {leased[0]} comes after {leased[1]}")


def default_range(network: IPv4Network, address: IPv4Address) -> tuple[IPv4Address, IPv4Address]:
    """The upper quarter of the network, short of the broadcast address, around the seed's own address."""
    hosts = network.num_addresses
    if hosts < 16:
        raise ValueError(f"{network} is too small to provision in; a /28 is the smallest")
    first, last = network[hosts * 3 // 4], network[hosts - 2]
    if first <= address <= last:
        first, last = network[hosts // 4], network[hosts // 2 - 1]
    return first, last


def read(path: Path) -> Config:
    """The configuration in `path`; raises DocumentError naming file, line and key."""
    return load(path, Config)
