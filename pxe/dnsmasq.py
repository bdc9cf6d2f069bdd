"""dnsmasq's files: DHCP and TFTP for the networks that machines boot from, and nothing for strangers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from pxe.firmware import ARCHITECTURES, BIOS, Architecture, Loader, UEFILoader

LEASE = "10m"


class DHCPMode(StrEnum):
    """Who hands out addresses.

    SERVER: the seed, on its own network. PROXY: the site's DHCP server; the seed adds what to boot (PXE
    specification 2.1 section 2.2.3). RELAY: the seed, also for networks whose routers relay to it. NONE: the
    seed answers no DHCP and no TFTP at all; machines boot from virtual media.
    """

    SERVER = "server"
    PROXY = "proxy"
    RELAY = "relay"
    NONE = "none"


@dataclass(frozen=True)
class Subnet:
    """A network behind a relay (RFC 2131 section 4.1: giaddr), its router, and the range that is leased."""

    network: IPv4Network
    router: IPv4Address
    first: IPv4Address
    last: IPv4Address


@dataclass(frozen=True)
class ProvisioningNetwork:
    """Where machines boot: the seed's interface and address there, and the range that is leased, if any.

    `strangers`: machines that are not enrolled are answered too.
    """

    interface: str
    network: IPv4Network
    address: IPv4Address
    first: IPv4Address | None = None
    last: IPv4Address | None = None
    mode: DHCPMode = DHCPMode.SERVER
    subnets: tuple[Subnet, ...] = ()
    strangers: bool = False
    uefi_loader: UEFILoader = UEFILoader.IPXE


@dataclass(frozen=True)
class Reservation:
    """What one enrolled machine is known by; `address` None means any from the range.

    `signed`: its Secure Boot is on, so that it takes signed loaders alone; `iso_url`: what it then gets by
    HTTP boot.
    """

    mac: str
    name: str
    address: str | None = None
    signed: bool = False
    iso_url: str | None = None


def render(
    network: ProvisioningNetwork,
    *,
    directory: Path,
    base_url: str,
    architectures: Mapping[int, Architecture] = ARCHITECTURES,
) -> str:
    """The configuration file (dnsmasq(8)); what is about nodes stands in files that SIGHUP has read again."""
    lines = [
        "# Written by undercloud; changes are overwritten.",
        "port=0",  # no DNS: the seed's host may have its own
        f"interface={network.interface}",
        "bind-dynamic",
        "except-interface=lo",
        "log-dhcp",
        "log-facility=-",
        f"pid-file={directory / 'dnsmasq.pid'}",
        f"dhcp-leasefile={directory / 'dnsmasq.leases'}",
        f"dhcp-hostsfile={directory / 'dnsmasq.hosts'}",
        f"dhcp-optsfile={directory / 'dnsmasq.opts'}",
        "dhcp-no-override",  # old PXE ROMs do not understand options in the sname and file fields
        "enable-tftp",
        f"tftp-root={directory / 'tftp'}",
        *_ranges(network),
        # A machine that is not enrolled gets no answer, unless strangers are wanted.
        *(() if network.strangers else ("dhcp-ignore=tag:!known",)),
        "dhcp-match=set:ipxe,175",
        f"dhcp-boot=tag:ipxe,{base_url}/boot.ipxe",
        *(line for each in architectures.values() for line in _boot_lines(each, network, base_url)),
    ]
    return "\n".join(lines) + "\n"


def _ranges(network: ProvisioningNetwork) -> list[str]:
    if network.mode is DHCPMode.PROXY:
        return [
            f"dhcp-range={network.network.network_address},proxy,{network.network.netmask}",
            "dhcp-pxe-vendor=PXEClient,HTTPClient",  # else HTTP boot gets no answer beside another server
        ]
    own = f"dhcp-range={network.first},{network.last},{network.network.netmask},{LEASE}"
    lines = [own] if network.first else []
    for number, subnet in enumerate(network.subnets, 1):
        leased = f"{subnet.first},{subnet.last},{subnet.network.netmask},{LEASE}"
        lines.append(f"dhcp-range=set:subnet{number},{leased}")
        lines.append(f"dhcp-option=tag:subnet{number},option:router,{subnet.router}")
    # Debian's iPXE waits 13 s for a router advertisement before it goes on: send one. The prefix is
    # constructed from the interface's own addresses and gives no addresses away.
    lines += [
        "enable-ra",
        f"dhcp-range=::,constructor:{network.interface},ra-stateless,64,1h",
        f"ra-param={network.interface},0,0",  # lifetime 0: nobody takes the seed for its router
    ]
    return lines


def _boot_lines(each: Architecture, network: ProvisioningNetwork, base_url: str) -> list[str]:
    """What firmware of this architecture gets; nothing where there is no loader for it."""
    boots = [
        (tags, loader.filename)
        for tags, loader in _choices(each, network.uefi_loader)
        if loader is not None and loader.there
    ]
    tag = f"arch{each.code}"
    lines = [f"dhcp-match=set:{tag},option:client-arch,{each.code}"]
    if each.http:
        lines.append(f"dhcp-option-force=tag:{tag},60,HTTPClient")  # UEFI takes no other answer
    for more, filename in boots:
        name = f"{base_url}/boot/loader/{filename}" if each.http else filename
        lines.append(f"dhcp-boot=tag:!ipxe,tag:{tag}{more},{name}")
        if network.mode is DHCPMode.PROXY and not each.http:
            # A menu of one entry, which is taken at once; UEFI asks for it again at port 4011.
            lines.append(f"pxe-service=tag:!ipxe{more},{each.code},undercloud,{name}")
    return lines if boots or each.iso else []


def _choices(each: Architecture, for_all: UEFILoader) -> list[tuple[str, Loader | None]]:
    """Further tags and the loader that machines with them get; a `signed` one is that of a node."""
    if each.code == BIOS:
        return [("", each.ipxe)]
    if for_all is UEFILoader.GRUB:
        return [("", each.signed)]
    return [(",tag:!signed", each.ipxe), (",tag:signed", each.signed)]


def render_hosts(reservations: Iterable[Reservation]) -> str:
    """The dhcp-hostsfile: one line for each MAC, sorted so that equal content is equal text."""
    lines = []
    for host in sorted(reservations, key=lambda host: host.mac):
        tags = ("set:signed" if host.signed else None, f"set:{_own(host)}" if host.iso_url else None)
        parts = (host.mac, *tags, host.address, _host_name(host.name))
        lines.append(",".join(part for part in parts if part))
    return "".join(f"{line}\n" for line in lines)


def render_options(reservations: Iterable[Reservation]) -> str:
    """The dhcp-optsfile: the URLs of those whose HTTP boot gets an ISO image of their own."""
    hosts = sorted((host for host in reservations if host.iso_url), key=lambda host: host.mac)
    codes = [each.code for each in ARCHITECTURES.values() if each.iso]
    lines = [
        f"tag:{_own(h)},tag:arch{code},option:bootfile-name,{h.iso_url}" for h in hosts for code in codes
    ]
    return "".join(f"{line}\n" for line in lines)


def _own(host: Reservation) -> str:
    return f"mac{host.mac.replace(':', '')}"


def _host_name(name: str) -> str | None:
    """The name, unless dnsmasq would drop the line for it or take it for something else.

    In dhcp-host, `ignore` silences a machine, and `infinite`, `45m` or `12` are lease times.
    """
    reserved = re.fullmatch(r"ignore|infinite|[0-9]+[wdhms]?", name)
    fit = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*", name)
    return name if fit and not reserved else None
