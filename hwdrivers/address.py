"""The address of a BMC, parsed once from what an operator typed."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from enum import StrEnum


class Scheme(StrEnum):
    """How a BMC is spoken to."""

    IPMI = "ipmi"
    REDFISH_HTTPS = "redfish+https"
    REDFISH_HTTP = "redfish+http"


DEFAULT_PORTS = {Scheme.IPMI: 623, Scheme.REDFISH_HTTPS: 443, Scheme.REDFISH_HTTP: 80}

# What operators type. Left: the word before "://".
_SPELLINGS = {
    "ipmi": Scheme.IPMI,
    "redfish": Scheme.REDFISH_HTTPS,
    "redfish+https": Scheme.REDFISH_HTTPS,
    "redfish+http": Scheme.REDFISH_HTTP,
    "https": Scheme.REDFISH_HTTPS,
    "http": Scheme.REDFISH_HTTP,
}
_ACCEPTED = (
    "write 10.0.0.5, ipmi://10.0.0.5[:port], redfish://bmc7[:port][/redfish/v1/Systems/ID] or "
    "redfish+http://127.0.0.1:8001; IPv6 in brackets"
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SYSTEM_PATH = re.compile(r"/redfish/v1/Systems/[^/\s\\]+")


class AddressError(ValueError):
    """A text that is no BMC address; the message says what is accepted and never repeats a password."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; {_ACCEPTED}")


@dataclass(frozen=True)
class BMCAddress:
    """Where a BMC listens. No scheme: the protocol has to be probed. Never carries credentials.

    `host` is an IP address or a host name without brackets; `port` is filled in when the scheme is known;
    `path` names one Redfish system (`/redfish/v1/Systems/1`) where a service has several.
    """

    host: str
    scheme: Scheme | None = None
    port: int | None = None
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> BMCAddress:
        """Read what an operator typed; raises `AddressError`."""
        text = text.strip()
        _refuse_secrets(text)
        scheme, rest = _split_scheme(text)
        authority, slash, path = rest.partition("/")
        host, port = _split_authority(authority)
        if port is None and scheme is not None:
            port = DEFAULT_PORTS[scheme]
        return cls(host, scheme, port, _system_path(scheme, slash + path))

    def with_scheme(self, scheme: Scheme, port: int | None = None) -> BMCAddress:
        """The same host spoken to in another way (after probing)."""
        return replace(self, scheme=scheme, port=port or self.port or DEFAULT_PORTS[scheme])

    @property
    def is_redfish(self) -> bool:
        return self.scheme in (Scheme.REDFISH_HTTPS, Scheme.REDFISH_HTTP)

    @property
    def base_url(self) -> str:
        """The root URL of a Redfish service, without a path."""
        if not self.is_redfish:
            raise AddressError(f"{self} is not a Redfish address")
        return f"{'https' if self.scheme is Scheme.REDFISH_HTTPS else 'http'}://{self._authority()}"

    def __str__(self) -> str:
        if self.scheme is None:
            return self._authority()
        return f"{self.scheme}://{self._authority()}{self.path or ''}"

    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        implied = DEFAULT_PORTS[self.scheme] if self.scheme else None
        return host if self.port in (None, implied) else f"{host}:{self.port}"


def natural(address: str) -> tuple[list[int], str]:
    """The key to sort by: 10.0.0.9 before 10.0.0.10, whatever the protocol."""
    host = address.partition("://")[2] or address
    return [int(part) for part in host.replace(":", ".").split(".") if part.isdigit()], address


def _refuse_secrets(text: str) -> None:
    # The text is not repeated here: what stands before "@" is often a password, and error texts are logged.
    if "@" in text:
        raise AddressError("a BMC address carries no user name or password: name credentials separately")
    if "?" in text or "#" in text:
        raise AddressError("a BMC address has no '?' or '#' part")


def _split_scheme(text: str) -> tuple[Scheme | None, str]:
    word, separator, rest = text.partition("://")
    if not separator:
        return None, text
    scheme = _SPELLINGS.get(word.lower())
    if scheme is None:
        raise AddressError(f"unknown protocol {word!r} in {text!r}")
    return scheme, rest


def _split_authority(authority: str) -> tuple[str, int | None]:
    if _is_ipv6(authority):  # a bare IPv6 address has no port, so nothing is ambiguous
        return str(ipaddress.ip_address(authority)), None
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not match["host"]:
        raise AddressError(f"no host in {authority!r}")
    return _host(match["host"]), _port(match["port"])


def _host(text: str) -> str:
    if text.startswith("["):
        if not _is_ipv6(text[1:-1]):
            raise AddressError(f"{text!r} is not an IPv6 address")
        return str(ipaddress.ip_address(text[1:-1]))
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if labels[-1].isdigit():  # RFC 3696 section 2: no top-level domain is numeric, so this means IPv4
        return _ipv4(name)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError(f"{text!r} is neither an IP address nor a host name")
    return name


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise AddressError(f"{text!r} is not an IPv4 address") from None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    # A zone (fe80::1%eth0) is part of the address; it must not smuggle in anything else.
    return re.fullmatch(r"[0-9A-Fa-f:.]+(%[\w.-]+)?", text, re.ASCII) is not None


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise AddressError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _system_path(scheme: Scheme | None, path: str) -> str | None:
    path = path.rstrip("/")
    if path in ("", "/redfish", "/redfish/v1"):
        return None
    if scheme not in (Scheme.REDFISH_HTTPS, Scheme.REDFISH_HTTP):
        raise AddressError(f"only a redfish:// address has a path, not one with {path!r}")
    if not _SYSTEM_PATH.fullmatch(path):
        raise AddressError(f"{path!r} does not name a Redfish system")
    return path
