"""User names and passwords of BMCs, in types that do not print."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


class Secret:
    """A text that shows itself only to `reveal()`: not to repr, str, format, pickle, JSON or a traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError("a Secret wraps a str")
        self._text = text

    def reveal(self) -> str:
        """The text itself. Hand it to the library that needs it; do not keep it in a variable."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: store it encrypted instead")


@dataclass(frozen=True)
class Credentials:
    """How to log in to a BMC, and how to check that it is the right one.

    BMCs ship with self-signed certificates: `ca_file` pins one, `verify_tls=False` accepts any.
    """

    username: str
    password: Secret
    verify_tls: bool = True
    ca_file: Path | None = None


ANONYMOUS = Credentials("", Secret(""))  # no log-in at all, for services that need none
