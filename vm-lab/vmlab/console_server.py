"""The process behind the rack's console server: each machine's serial port on a raw TCP port.

Run as `python -m vmlab.console_server ADDRESS FIRST_PORT FIRST_PLUG COUNT`: the machines plug themselves in
at ports of the loopback interface. As on a real one the ports answer whether or not a machine is on, whoever
is connected reads along, what is said while nobody is connected is lost, and a slow reader slows nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio import StreamReader, StreamWriter

CHUNK = 1 << 16
MOST_UNREAD = 1 << 20  # bytes that wait for one reader; what comes beyond is lost for it


class Port:
    """One machine's."""

    def __init__(self) -> None:
        self._machine: StreamWriter | None = None
        self._readers: set[StreamWriter] = set()

    async def plug_in(self, reader: StreamReader, writer: StreamWriter) -> None:
        """The machine's end, while it is on."""
        self._machine = writer
        with contextlib.suppress(OSError):
            while said := await reader.read(CHUNK):
                self._tell(said)
        self._machine = None
        writer.close()

    async def connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Who watches, and types."""
        self._readers.add(writer)
        with contextlib.suppress(OSError):
            while typed := await reader.read(CHUNK):
                if self._machine:
                    self._machine.write(typed)
        self._readers.discard(writer)
        writer.close()

    def _tell(self, said: bytes) -> None:
        for writer in self._readers:
            if writer.transport.get_write_buffer_size() < MOST_UNREAD:
                writer.write(said)


async def serve(address: str, first_port: int, first_plug: int, count: int) -> None:
    """Until it is ended."""
    servers = []
    for number in range(count):
        port = Port()
        servers.append(await asyncio.start_server(port.plug_in, "127.0.0.1", first_plug + number))
        servers.append(await asyncio.start_server(port.connect, address, first_port + number))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], *map(int, sys.argv[2:5])))
