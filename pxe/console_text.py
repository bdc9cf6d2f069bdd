"""Lines of text out of what machines write to their serial consoles, in whatever pieces it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST = 4096  # bytes of a line; a firmware's setup screen is one without an end
WIDTH = 80  # columns of the terminal that firmware believes in: SeaBIOS and iPXE break longer lines
LONGEST = 5 * WIDTH  # of lines that were broken so

# ECMA-48 (5th edition, section 5.4): CSI, parameters, final byte. Moving the cursor or clearing the screen
# begins a new line, colours do not. Besides: OSC with its text, character sets, other escapes.
_MOVES = re.compile(rb"\x1b\[[0-?]*[ -/]*[ABCDEFGHJKdf]|\x1bc|[\r\n\x0b\x0c]+")
_INVISIBLE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[()*+][ -~]|\x1b[ -~]?"
    rb"|[\x00-\x08\x0e-\x1f\x7f]"
)


class Lines:
    """Takes bytes, gives lines; `begun` is the one that is not at its end yet, such as a prompt."""

    def __init__(self) -> None:
        self._rest = b""
        self._broken = ""

    @property
    def begun(self) -> str:
        return next(reversed([*_visible(self._rest)]), "")

    def add(self, data: bytes) -> Iterator[str]:
        """The lines that are whole by now, without colours, cursor movements and control characters."""
        whole, self._rest = _at_last_newline(self._rest + data)
        if len(self._rest) > MOST:
            whole, self._rest = whole + self._rest, b""
        for line in _visible(whole):
            yield self._joined(line).rstrip()

    def _joined(self, line: str) -> str:
        """With what stood before, if the terminal's edge alone came between."""
        joined = self._broken + line
        at_the_edge = len(line) == WIDTH and len(joined) < LONGEST
        self._broken = joined if at_the_edge else ""
        return joined


def _at_last_newline(data: bytes) -> tuple[bytes, bytes]:
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return data[:end], data[end:]


def _visible(data: bytes) -> Iterator[str]:
    for piece in _MOVES.split(data):
        text = _INVISIBLE.sub(b"", piece).decode(errors="replace")
        if text.strip():
            yield text
