"""What a virtual rack consists of, as a YAML file says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer, model_validator

from vmlab import yaml_file
from vmlab.sizes import Size

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
Mac = Annotated[str, Field(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
# A virtio-blk disk shows at most 20 characters of its serial to the guest.
DiskSerial = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,20}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(Strict):
    cidr: IPv4Network
    seed: IPv4Address = Field(description="the seed's own address on this network")

    @model_validator(mode="after")
    def _seed_is_inside(self) -> Self:
        if self.seed not in self.cidr:
            raise ValueError(f"seed {self.seed} is not inside {self.cidr}")
        return self


class Provisioning(Network):
    interface: Name = "br-prov"
    # Debian's iPXE waits about 13 s for an IPv6 router: the seed announces one from this address.
    ipv6: IPv6Interface = IPv6Interface("2001:db8:1::1/64")


class Networks(Strict):
    provisioning: Provisioning
    bmc: Network


class BMC(Strict):
    protocol: Literal["ipmi", "redfish"]
    address: IPv4Address
    username: str = Field(min_length=1)
    password: SecretStr

    @field_serializer("password", when_used="json")
    def _plain(self, password: SecretStr) -> str:
        return password.get_secret_value()


class Disk(Strict):
    size: Size
    serial: DiskSerial
    bus: Literal["virtio", "sata"] = "virtio"


class Machine(Strict):
    name: Name
    firmware: Literal["bios", "uefi", "uefi-http", "secure-boot"] = Field(
        description="uefi-http: HTTP boot alone, no PXE; secure-boot: UEFI with Microsoft's keys"
    )
    bmc: BMC
    mac: Mac
    nic: Literal["virtio", "e1000"] = "virtio"
    address: IPv4Address = Field(description="the address that the installed host will have")
    serial: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    memory: Size = 3 * 2**30
    vcpus: int = Field(default=1, ge=1, le=64)
    disks: tuple[Disk, ...] = Field(min_length=1, max_length=20)
    install_on: DiskSerial = Field(description="serial of the disk that gets the operating system")
    role: Literal["control-plane", "kubernetes"] = "kubernetes"

    @model_validator(mode="after")
    def _can_boot_from_its_disk(self) -> Self:
        serials = [disk.serial for disk in self.disks]
        if self.install_on not in serials:
            raise ValueError(f"install_on {self.install_on} is none of the disks {', '.join(serials)}")
        if self.bmc.protocol == "ipmi" and self.install_on != serials[0]:
            raise ValueError("virtualbmc boots only the first disk: list the disk of install_on first")
        return self


class Topology(Strict):
    networks: Networks
    machines: tuple[Machine, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        bmcs, networks = [machine.bmc.address for machine in self.machines], self.networks
        hosts = [machine.address for machine in self.machines]
        _unique("name", (machine.name for machine in self.machines))
        _unique("mac", (machine.mac for machine in self.machines))
        _unique("serial", (machine.serial for machine in self.machines))
        _unique("disk serial", (disk.serial for machine in self.machines for disk in machine.disks))
        _unique("BMC address", [*bmcs, networks.bmc.seed])
        _unique("host address", [*hosts, networks.provisioning.seed])
        _inside(networks.bmc.cidr, bmcs)
        _inside(networks.provisioning.cidr, hosts)
        return self


def _unique(what: str, values: Iterable[object]) -> None:
    twice = [str(value) for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"{what} used twice: {', '.join(twice)}")


def _inside(network: IPv4Network, addresses: Iterable[IPv4Address]) -> None:
    outside = [str(address) for address in addresses if address not in network]
    if outside:
        raise ValueError(f"not inside {network}: {', '.join(outside)}")


def load(path: Path) -> Topology:
    """The topology in a YAML file, checked."""
    return yaml_file.load(path, Topology)
