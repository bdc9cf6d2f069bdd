"""dnsmasq's configuration: DHCP and TFTP for the provisioning network, and nothing for strangers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from pxe.firmware import LOADERS


@dataclass(frozen=True)
class ProvisioningNetwork:
    """Where machines boot: the seed's interface and address there, and the range that is leased."""

    interface: str
    network: IPv4Network
    address: IPv4Address
    first: IPv4Address
    last: IPv4Address


@dataclass(frozen=True)
class Reservation:
    """What one enrolled machine is known by; `address` None means any from the range."""

    mac: str
    name: str
    address: str | None = None


def render(network: ProvisioningNetwork, *, directory: Path, script_url: str) -> str:
    """The configuration file (dnsmasq(8)); reservations stand in another file, read again on SIGHUP."""
    lines = [
        "# Written by undercloud; changes are overwritten.",
        "port=0",  # no DNS: the seed's host may have its own
        f"interface={network.interface}",
        "bind-dynamic",
        "except-interface=lo",
        "log-dhcp",
        "log-facility=-",
        f"pid-file={directory / 'dnsmasq.pid'}",
        f"dhcp-range={network.first},{network.last},{network.network.netmask},10m",
        f"dhcp-leasefile={directory / 'dnsmasq.leases'}",
        f"dhcp-hostsfile={directory / 'dnsmasq.hosts'}",
        "dhcp-ignore=tag:!known",  # a machine that is not enrolled gets no answer
        "dhcp-no-override",  # old PXE ROMs do not understand options in the sname and file fields
        "enable-tftp",
        f"tftp-root={directory / 'tftp'}",
        # Debian's iPXE waits 13 s for a router advertisement before it goes on: send one. The prefix is
        # constructed from the interface's own addresses and gives no addresses away.
        "enable-ra",
        f"dhcp-range=::,constructor:{network.interface},ra-stateless,64,1h",
        f"ra-param={network.interface},0,0",  # lifetime 0: nobody takes the seed for its router
        "dhcp-match=set:ipxe,175",
        f"dhcp-boot=tag:ipxe,{script_url}",
        *_loader_lines(),
    ]
    return "\n".join(lines) + "\n"


def _loader_lines() -> list[str]:
    lines = []
    for loader in LOADERS:
        tags = [f"arch{code}" for code in loader.architectures]
        for code, tag in zip(loader.architectures, tags, strict=True):
            lines.append(f"dhcp-match=set:{tag},option:client-arch,{code}")
            lines.append(f"dhcp-boot=tag:!ipxe,tag:{tag},{loader.filename}")
    return lines


def render_hosts(reservations: list[Reservation]) -> str:
    """The dhcp-hostsfile: one line for each MAC, sorted so that equal content is equal text."""
    lines = []
    for host in sorted(reservations, key=lambda host: host.mac):
        lines.append(",".join(part for part in (host.mac, host.address, _host_name(host.name)) if part))
    return "".join(f"{line}\n" for line in lines)


def _host_name(name: str) -> str | None:
    """The name, unless dnsmasq would drop the line for it or take it for something else.

    In dhcp-host, `ignore` silences a machine, and `infinite`, `45m` or `12` are lease times.
    """
    reserved = re.fullmatch(r"ignore|infinite|[0-9]+[wdhms]?", name)
    fit = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*", name)
    return name if fit and not reserved else None
