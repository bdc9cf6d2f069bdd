"""What machines and DHCP servers say on one interface, tagged or not, as milestones while they say it."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pxe.capture.decoder import Decoder
from pxe.capture.wire import receive, tap
from pxe.milestones import Milestone

log = logging.getLogger(__name__)

_PAUSE = 5.0  # seconds until an interface that went away is looked for again
# Seconds; PXE ROMs (PXE specification 2.1 section 2.2.8) and UEFI ask again after 4.
_PATIENCE = 10.0


class Listener:
    """Listens while its context lasts; `on_milestone` is called on its own thread.

    It never hurts who started it: without CAP_NET_RAW, or when the interface goes away, it says so once. A
    transfer by TFTP whose first block has not arrived after `patience` seconds of silence has stalled.
    """

    def __init__(
        self, interface: str, on_milestone: Callable[[Milestone], None], *, patience: float = _PATIENCE
    ) -> None:
        self._interface = interface
        self._on_milestone = on_milestone
        self._patience = patience
        self._decoder = Decoder(half=True)
        self._wire: socket.socket | None = None
        self._ended, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._listen, name="wire", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._wire = tap(self._interface)
        except OSError as error:
            log.warning(
                "DHCP on %s is not listened to: %s. Other DHCP servers, unknown machines and VLANs are not "
                "told; listening takes CAP_NET_RAW",
                self._interface,
                error.strerror,
            )
        else:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
        if self._thread.ident is not None:
            self._thread.join()
        self._ended.close()

    def alive(self) -> bool:
        """Whether it hears what machines ask."""
        return self._wire is not None

    def _listen(self) -> None:
        gone = False
        while not self._over(0):
            try:
                with self._wire or tap(self._interface) as self._wire:
                    gone = False
                    self._hear(self._wire)
                    return
            except OSError as error:
                if not gone:
                    log.warning("DHCP on %s is not listened to for now: %s", self._interface, error)
                gone = True
            finally:
                self._wire = None
            self._over(_PAUSE)

    def _hear(self, wire: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(wire, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(self._pause())}
                if self._ended in ready:
                    return
                for milestone in (*(self._read(wire) if ready else ()), *self._stalled()):
                    self._tell(milestone)

    def _read(self, wire: socket.socket) -> list[Milestone]:
        frame, vlan = receive(wire)
        return self._decoder.take(frame, time.time(), vlan)

    def _stalled(self) -> list[Milestone]:
        return self._decoder.stalled(time.time() - self._patience)

    def _pause(self) -> float | None:
        """How long it may be silent until something is to be told of that."""
        return self._patience / 2 if self._decoder.waits else None

    def _tell(self, milestone: Milestone) -> None:
        try:
            self._on_milestone(milestone)
        except Exception:
            log.exception("what was heard of %s could not be journaled", milestone.mac)

    def _over(self, seconds: float) -> bool:
        """Whether the context ends within so many seconds."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._ended, selectors.EVENT_READ)
            return bool(selector.select(seconds))
