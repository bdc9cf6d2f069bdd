"""The addresses that a scan may touch, parsed strictly: a range with a typing error probes somebody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from hwdrivers.address import Scheme

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_ADDRESSES = 65536
_ACCEPTED = "write 10.0.0.0/24, 10.0.0.10-10.0.0.50, 10.0.0.10-50 or 10.0.0.5"


class RangeError(ValueError):
    """A text that names no addresses, or too many; the message says what is accepted."""

    def __init__(self, problem: str, accepted: str = _ACCEPTED) -> None:
        super().__init__(f"{problem}; {accepted}")


def parse_targets(texts: Iterable[str], exclude: Iterable[str] = ()) -> tuple[IPAddress, ...]:
    """Every address once, in the order given, without those in `exclude`; raises `RangeError`.

    All ranges together are at most a /16.
    """
    found: dict[IPAddress, None] = {}
    for text in texts:
        first, last = _bounds(text.strip())
        if int(last) - int(first) + 1 + len(found) > MAX_ADDRESSES:
            raise RangeError(f"{text!r} makes more than {MAX_ADDRESSES} addresses (a /16): scan in parts")
        found.update(dict.fromkeys(_between(first, last)))
    if not found:
        raise RangeError("no range given")
    left = _without(found, [_bounds(text.strip(), whole=True) for text in exclude])
    if not left:
        raise RangeError("all addresses of the range are excluded")
    return left


def parse_port(text: str) -> tuple[Scheme, int]:
    """A further port to ask, as `redfish:8443`, `redfish+http:8001` or `ipmi:6230`; raises `RangeError`."""
    word, _, number = text.strip().rpartition(":")
    scheme = {"redfish": Scheme.REDFISH_HTTPS, **{scheme.value: scheme for scheme in Scheme}}.get(
        word.lower()
    )
    if scheme is None or not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
        raise RangeError(f"{text!r} is not a port", "write redfish:8443, redfish+http:8001 or ipmi:6230")
    return scheme, int(number)


def _without(
    addresses: Iterable[IPAddress], holes: Sequence[tuple[IPAddress, IPAddress]]
) -> tuple[IPAddress, ...]:
    bounds = [(first.version, int(first), int(last)) for first, last in holes]
    return tuple(
        a for a in addresses if not any(v == a.version and low <= int(a) <= high for v, low, high in bounds)
    )


def _bounds(text: str, *, whole: bool = False) -> tuple[IPAddress, IPAddress]:
    """First and last address; `whole`: with those of a network that belong to no host."""
    if "/" in text:
        return _network_bounds(text, whole=whole)
    first_text, dash, last_text = text.partition("-")
    first = _address(first_text.strip(), text)
    last = _last(first, last_text.strip(), text) if dash else first
    if first.version != last.version or int(last) < int(first):
        raise RangeError(f"{text!r} does not go upwards")
    return first, last


def _network_bounds(text: str, *, whole: bool) -> tuple[IPAddress, IPAddress]:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise RangeError(f"{text!r} is not a range of addresses in CIDR notation") from None
    # Only "address/length": a netmask or a wildcard is too easily the wrong one of the two.
    if not text.partition("/")[2].isdigit() or ipaddress.ip_address(text.partition("/")[0]) != network[0]:
        raise RangeError(f"{text!r} is not a network: did you mean {network}?")
    # Network and broadcast address belong to no host, and a broadcast would ask the whole segment at once.
    plain = whole or network.version == 6 or network.prefixlen >= 31
    return (network[0], network[-1]) if plain else (network[1], network[-2])


def _last(first: IPAddress, text: str, whole: str) -> IPAddress:
    if text.isascii() and text.isdigit() and first.version == 4:
        return _address(str(first).rpartition(".")[0] + "." + text, whole)
    return _address(text, whole)


def _address(text: str, whole: str) -> IPAddress:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise RangeError(f"{whole!r} is not an address or a range: {text!r}") from None


def _between(first: IPAddress, last: IPAddress) -> Iterator[IPAddress]:
    zone = getattr(first, "scope_id", None)  # fe80::1%eth0
    for number in range(int(first), int(last) + 1):
        address = type(first)(number)
        yield ipaddress.IPv6Address(f"{address}%{zone}") if zone else address
