"""A terminal that sends each key as it is typed, as ssh does."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ESCAPE = b"~"
ENDS = b"."


class Escape:
    """Finds `~.` at the start of a line; `~~` is one `~`, and any other `~` is itself."""

    def __init__(self) -> None:
        self._fresh = True  # at the start of a line
        self._armed = False
        self.ended = False

    def pass_on(self, typed: bytes) -> bytes:
        """What goes to the machine of this; nothing after the end."""
        passed = b""
        for key in (typed[i : i + 1] for i in range(len(typed))):
            if self._armed:
                self._armed = False
                if key == ENDS:
                    self.ended = True
                    return passed
                passed += b"" if key == ESCAPE else ESCAPE
            elif self._fresh and key == ESCAPE:
                self._armed = True
                continue
            passed += key
            self._fresh = key in b"\r\n"
        return passed


@contextmanager
def raw_keyboard() -> Iterator[None]:
    """From here on each key is read at once, Ctrl-C too; no change where the input is no terminal."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin, termios.TCSADRAIN)  # the default throws away what was typed ahead
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def pump(send: Callable[[bytes], None], over: int) -> bool:
    """Send what is typed until `~.` is (True), or the file `over` can be read (False).

    The end of an input that is no terminal ends nothing.
    """
    escape, inputs = Escape(), [sys.stdin.fileno(), over]
    while True:
        ready, _, _ = select.select(inputs, [], [])
        if over in ready:
            return False
        typed = os.read(inputs[0], 4096)
        if not typed:
            inputs = [over]
        if passed := escape.pass_on(typed):
            send(passed)
        if escape.ended:
            return True
