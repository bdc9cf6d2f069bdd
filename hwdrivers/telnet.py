"""Telnet as far as a console server needs it (RFC 854): every option is refused, bytes are escaped.

Without options the line is a Network Virtual Terminal: what the machine writes comes through, and nobody
echoes but the machine. RFC 2217 (line speed over telnet) is an option like any other: the port's settings are
the console server's.
"""

from __future__ import annotations

from collections.abc import Callable

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
_REFUSAL = {DO: WONT, WILL: DONT}
_CR, _NUL = 13, 0


def escaped(data: bytes) -> bytes:
    """What is typed, as it goes over the line: IAC doubled, a bare CR as CR NUL (RFC 854, page 11)."""
    return data.replace(b"\xff", b"\xff\xff").replace(b"\r", b"\r\0")


class Telnet:
    """Takes the protocol out of what comes, whatever the pieces that it comes in."""

    def __init__(self, answer: Callable[[bytes], None]) -> None:
        """`answer` sends refusals."""
        self._answer = answer
        self._next = self._plain
        self._verb = 0
        self._after_cr = False

    def text(self, data: bytes) -> bytes:
        """What the machine wrote."""
        return bytes(byte for byte in data if self._next(byte))

    def _plain(self, byte: int) -> bool:
        after_cr, self._after_cr = self._after_cr, byte == _CR
        if byte == IAC:
            self._next = self._command
            return False
        return not (after_cr and byte == _NUL)

    def _command(self, byte: int) -> bool:
        self._verb = byte
        if byte in (DO, DONT, WILL, WONT):
            self._next = self._option
        else:
            self._next = self._parameters if byte == SB else self._plain
        return byte == IAC

    def _option(self, byte: int) -> bool:
        """Nothing is answered to DONT and WONT: it is so already, and answers would go round for ever."""
        if self._verb in _REFUSAL:
            self._answer(bytes([IAC, _REFUSAL[self._verb], byte]))
        self._next = self._plain
        return False

    def _parameters(self, byte: int) -> bool:
        """Of an option that was refused: skipped up to IAC SE."""
        if byte == IAC:
            self._next = self._end_of_parameters
        return False

    def _end_of_parameters(self, byte: int) -> bool:
        self._next = self._plain if byte == SE else self._parameters
        return False
