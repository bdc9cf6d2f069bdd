"""MAC addresses, IP addresses and host names as declarations write them, in one spelling each."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator

from hwdrivers.mac import normal_mac


def _mac(text: str) -> str:
    canonical = normal_mac(text.strip())
    if canonical is None or int(canonical[:2], 16) & 1:  # a group address; no NIC has one
        raise ValueError(f"'{text}' is no MAC address of a NIC; write it as 52:54:00:12:34:56")
    return canonical


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _hostname(text: str) -> str:
    """RFC 1123 section 2.1."""
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label})*", text) or len(text) > 253:
        raise ValueError(f"'{text}' is no host name (lower-case letters, digits, '-'; RFC 1123)")
    return text


Mac = Annotated[str, AfterValidator(_mac)]
Address = Annotated[str, AfterValidator(_address)]
HostName = Annotated[str, AfterValidator(_hostname)]
