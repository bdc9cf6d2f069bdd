"""Hear on PostgreSQL what other seeds announce (LISTEN), also after the server was away."""

from __future__ import annotations

import logging
import os
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from seed.store.database import words

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds between two attempts to connect

Connect = Callable[[], AbstractContextManager["psycopg.Connection[Any]"]]


@contextmanager
def listening(connect: Connect, channel: str, me: str, heard: Callable[[], None]) -> Iterator[None]:
    """Call `heard`, in a thread with its own connection, for what others than `me` announce.

    Also whenever it has connected: what was announced until then was missed.
    """
    stop = os.eventfd(0)  # readable once this ends, so that one wait is for the server and for the end
    ear = _Ear(connect, channel, me, heard, stop)
    thread = threading.Thread(target=ear.run, name="listening", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.eventfd_write(stop, 1)
        thread.join()
        os.close(stop)


class _Ear:
    def __init__(self, connect: Connect, channel: str, me: str, heard: Callable[[], None], stop: int) -> None:
        self._connect = connect
        self._channel = channel
        self._me = me.encode()
        self._heard = heard
        self._waits = selectors.DefaultSelector()
        self._waits.register(stop, selectors.EVENT_READ)
        self._stop = stop
        self._pause = FIRST_PAUSE

    def run(self) -> None:
        with self._waits:
            while True:
                try:
                    with self._connect() as connection:
                        return self._listen(connection)
                except (SQLAlchemyError, psycopg.Error) as error:
                    log.warning("the store's server cannot be heard: %s", words(error))
                if self._waits.select(self._pause):
                    return None
                self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {self._channel}".encode())
        self._pause = FIRST_PAUSE
        self._heard()
        server = self._waits.register(connection.fileno(), selectors.EVENT_READ)
        try:
            while self._stop not in [key.fd for key, _ in self._waits.select()]:
                if self._others_spoke(connection):
                    self._heard()
        finally:
            self._waits.unregister(server.fd)

    def _others_spoke(self, connection: psycopg.Connection[Any]) -> bool:
        """Take what came; not with psycopg's own wait, which looks around ten times a second."""
        connection.pgconn.consume_input()
        spoke = False
        while (notice := connection.pgconn.notifies()) is not None:
            spoke = spoke or notice.extra != self._me
        return spoke
