"""What a BMC's refusals over IPMI mean for the caller, and what to do about them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pyghmi.ipmi.private.constants import ipmi_completion_codes

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint
from hwdrivers.errors import (
    AccessDenied,
    BMCError,
    BMCTimeout,
    Busy,
    LogInRefused,
    ProtocolError,
    Unreachable,
    Unsupported,
)
from hwdrivers.ipmi.session import LoginError, SilenceError

# Completion codes, IPMI 2.0 table 5-2 → what they mean for the caller.
BUSY = (0xC0, 0xC3, 0xC4, 0xCE, 0xD0, 0xD1, 0xD2, 0xD5)
# Those that say nothing of the question: asked later, it may be answered.
NOT_NOW = (0xC0, 0xD0, 0xD1, 0xD2)
UNSUPPORTED = (0xC1, 0xC2, 0xC9, 0xCB, 0xCC, 0xCD, 0xD6)

# Part of pyghmi's text → our error and what to do. The first match counts.
_REFUSALS: tuple[tuple[str, type[BMCError], str], ...] = (
    (
        "Incorrect password",
        LogInRefused,
        "correct the credentials: a BMC locks an account after a few of these",
    ),
    ("Insufficient resources", Busy, "all its sessions are in use; wait a minute or close other consoles"),
    ("Unauthorized name", LogInRefused, "the user does not exist there or may not use the LAN channel"),
    ("role", AccessDenied, "give the user the operator or administrator privilege on the LAN channel"),
    ("privelege", AccessDenied, "give the user the operator or administrator privilege on the LAN channel"),
    ("username length", AccessDenied, "IPMI user names have at most 16 bytes"),
    ("integrity c", AccessDenied, "the BMC may have a Kg key set, which is not supported: clear it"),
    ("IPMI 1.5", Unsupported, "update its firmware, or use Redfish if it has it"),
    ("lgorithm", Unsupported, "enable cipher suite 3 or 17 for the LAN channel"),
    ("Cipher suite", Unsupported, "enable cipher suite 3 or 17 for the LAN channel"),
)
_CHECK = "check the address, the cable and that IPMI over LAN is enabled"


@contextlib.contextmanager
def translated(endpoint: Endpoint, action: str) -> Iterator[None]:
    """Turn the session's errors and the socket's into ours. `from None`: their frames hold the password."""
    try:
        yield
    except LoginError as error:
        raise _login_refused(endpoint.address, str(error)) from None
    except SilenceError as error:
        raise _silent(endpoint, action, error) from None
    except OSError as error:
        raise Unreachable.at(endpoint.address, action, error.strerror or str(error), _CHECK) from None


def refused(address: BMCAddress, action: str, code: int) -> BMCError:
    """The error for a completion code that is not 0."""
    text = ipmi_completion_codes.get(code, "it refused")
    seen = f"{text} (completion code {code:#04x})"
    if code in BUSY:
        return Busy.at(address, action, seen, "try again in a few seconds")
    if code in UNSUPPORTED:
        return Unsupported.at(address, action, seen, "this BMC does not do that over IPMI")
    if code == 0xD4:
        return AccessDenied.at(address, action, seen, "give the user a higher privilege")
    return ProtocolError.at(address, action, seen, "try again, then reset the BMC", retryable=code == 0xFF)


def _login_refused(address: BMCAddress, reason: str) -> BMCError:
    for part, kind, advice in _REFUSALS:
        if part in reason:
            return kind.at(address, "log in", reason, advice)
    return ProtocolError.at(address, "log in", reason, "check that this is a BMC with IPMI 2.0")


def _silent(endpoint: Endpoint, action: str, silence: SilenceError) -> BMCError:
    address = endpoint.address
    if silence.context == "EXPECTINGRAKP2":
        seen = f"it fell silent when it was told the user name {endpoint.credentials.username!r}"
        return AccessDenied.at(address, action, seen, "check the user name, then whether packets are lost")
    if silence.context == "None":
        return Unreachable.at(address, action, f"no answer within {silence.seconds:g} s", _CHECK)
    seen = f"it answered before, and now not for {silence.seconds:g} s"
    return BMCTimeout.at(address, action, seen, "try again; if it stays so, reset the BMC")
