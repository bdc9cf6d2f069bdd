"""What a Redfish service's refusals mean for the caller, and what to do about them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from sushy import exceptions as seen

from hwdrivers.address import BMCAddress
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
from hwdrivers.redfish.quirks import SAYS_BUSY, SAYS_FULL
from hwdrivers.told import told

# Documents with a wrong type in them, or no JSON at all, trip sushy's parsers in these ways.
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
# Message ids of DSP0268's Base registry: it knows the resource, but not what was asked of it.
_CANNOT = ("ActionNotSupported", "PropertyUnknown", "PropertyNotWritable", "NotImplemented")


class NeedsLogIn(seen.AccessError):  # type: ignore[misc]
    """401 to somebody who named no credentials."""


@contextlib.contextmanager
def translated(address: BMCAddress, action: str) -> Iterator[None]:
    """Turn sushy's errors into ours. `from None`: their frames hold the password."""
    try:
        yield
    except seen.SushyError as error:
        raise _translate(address, action, error) from None
    except DAMAGED as error:
        text = f"a document that is not as the standard says ({type(error).__name__}: {error})"
        raise ProtocolError.at(address, action, text, "update its firmware") from None


def is_busy(error: seen.HTTPError) -> bool:
    """It asks to be left alone for now, whatever the status code."""
    return error.status_code in (423, 429, 503) or _says(error, (*SAYS_BUSY, *SAYS_FULL))


def _translate(address: BMCAddress, action: str, error: seen.SushyError) -> BMCError:
    if isinstance(error, seen.ConnectionError):
        return _unreachable(address, action, error)
    if isinstance(error, seen.HTTPError):
        return _refused(address, action, error)
    if isinstance(error, (seen.MissingActionError, seen.MissingAttributeError)):
        return Unsupported.at(address, action, str(error), "this BMC does not have it")
    if isinstance(error, seen.InvalidParameterValueError):
        return Unsupported.at(address, action, str(error), "use one of these")
    return ProtocolError.at(address, action, str(error), "update its firmware")


def _unreachable(address: BMCAddress, action: str, error: seen.ConnectionError) -> BMCError:
    cause = type(error.__context__).__name__
    text = _network_reason(str(error))
    if cause == "SSLError":
        return tls_failed(address, action, text)
    if cause == "InvalidURL":
        return Unreachable.at(address, action, text, "use that address", retryable=False)
    if cause == "ReadTimeout":
        return BMCTimeout.at(address, action, "it took the question and did not answer", "try again")
    return Unreachable.at(address, action, text, "check the address, the port and the cable")


def tls_failed(address: BMCAddress, action: str, text: str) -> Unreachable:
    """`text`: OpenSSL's words. What is no TLS record at all has a "wrong version number"."""
    advice = "give its certificate with --ca-file, or accept any with --insecure (TLS older than 1.2 too)"
    if text == "wrong version number":
        text, advice = "it speaks no TLS there", "try redfish+http://"
    return Unreachable.at(address, action, text, advice, retryable=False)


def _refused(address: BMCAddress, action: str, error: seen.HTTPError) -> BMCError:
    status = error.status_code
    said = f"HTTP {status}: {words(error)}"
    if _says(error, SAYS_FULL):
        advice = "close sessions in its web page, or wait until it has forgotten them"
        return Busy.at(address, action, f"all its sessions are taken ({said})", advice)
    if status in (409, 412, 423, 429, 503) or is_busy(error):
        return Busy.at(address, action, said, "try again in a few seconds")
    if _says(error, ("PasswordChangeRequired",)):
        advice = "change its factory password in its web page first"
        return AccessDenied.at(address, action, said, advice)
    if isinstance(error, NeedsLogIn):
        return AccessDenied.at(address, action, "it asks for a log-in", "name credentials")
    if status == 401:
        advice = "correct the credentials: a BMC locks an account after a few of these"
        return LogInRefused.at(address, action, said, advice)
    if status == 403:
        return AccessDenied.at(address, action, said, "give the user the Operator or Administrator role")
    if status in (404, 405, 501) or _says(error, _CANNOT):
        return Unsupported.at(address, action, said, "this BMC does not have it")
    if status == 400:
        return ProtocolError.at(address, action, said, "see what it objects to, or update its firmware")
    return ProtocolError.at(address, action, said, "try again, then reset the BMC", retryable=status >= 500)


def _messages(error: seen.HTTPError) -> list[dict[str, object]]:
    return [message for message in error.extended_info or [] if isinstance(message, dict)]


def _says(error: seen.HTTPError, ids: tuple[str, ...]) -> bool:
    """Whether one of the message ids ends so: what stands before it is the registry and its version."""
    said = [error.code, *(message.get("MessageId") for message in _messages(error))]
    return any(isinstance(text, str) and text.endswith(ids) for text in said)


def words(error: seen.HTTPError) -> str:
    """What it objects to: "See ExtendedInfo for more information" helps nobody."""
    messages = [told(message.get("Message")) for message in _messages(error)]
    return "; ".join(m for m in messages if m)[:400] or told(error.detail) or "no reason given"


def _network_reason(text: str) -> str:
    """The words of the operating system or of OpenSSL out of four nested messages."""
    match = re.search(r"\[Errno -?\d+\] ([^'\")(]+)", text) or re.search(r"\[SSL[^\]]*\] ([^'\")(]+)", text)
    return match[1].strip() if match else text.partition("Error: ")[2] or text
