"""Consoles behind console servers: real sockets, and ser2net with a pseudo-terminal for the machine's end."""

from __future__ import annotations

import os
import pty
import shutil
import socket
import subprocess
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwdrivers.console_server import ConsoleServer, Line
from hwdrivers.errors import Unreachable
from hwdrivers.interfaces import ConsoleStream
from hwdrivers.telnet import Telnet, escaped

DO_ECHO, WONT_ECHO = b"\xff\xfd\x01", b"\xff\xfc\x01"
WILL_SGA, DONT_SGA = b"\xff\xfb\x03", b"\xff\xfe\x03"
COM_PORT = b"\xff\xfa\x2c\x65\x00\xff\xff\x01\xff\xf0"  # IAC SB COM-PORT-OPTION ... IAC SE (RFC 2217)

WRONG = [
    *("192.0.2.9:7001", "ssh://acs1:22", "tcp://acs1", "tcp://:7001", "tcp://acs1:port", "tcp://a:0"),
    *("tcp://acs1:70000", "tcp://acs1:7001/7", "tcp://a b:7001", "tcp://-x:1", "tcp://[::1:1", "tcp://a:1?x"),
]


@contextmanager
def listening(line: str = "tcp") -> Iterator[tuple[ConsoleServer, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield ConsoleServer.parse(f"{line}://127.0.0.1:{listener.getsockname()[1]}"), listener


@contextmanager
def connected(line: str = "tcp") -> Iterator[tuple[ConsoleStream, socket.socket]]:
    """An open console, and the server's end of it."""
    with listening(line) as (server, listener):
        stream = server.open()
        machine, _ = listener.accept()
        machine.settimeout(20)
        with machine:
            yield stream, machine
            stream.close()


def heard(stream: ConsoleStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += stream.read(20)
    return data


@pytest.mark.parametrize(
    ("text", "is_read_as"),
    [
        ("tcp://192.0.2.9:7001", "tcp://192.0.2.9:7001"),
        (" TCP://ACS1.rack7:7001/ ", "tcp://acs1.rack7:7001"),
        ("telnet://acs1", "telnet://acs1:23"),
        ("telnet://[2001:db8::9]:7001", "telnet://[2001:db8::9]:7001"),
    ],
)
def test_what_is_typed_is_understood(text: str, is_read_as: str) -> None:
    server = ConsoleServer.parse(text)
    assert str(server) == is_read_as
    assert ConsoleServer.parse(str(server)) == server


@pytest.mark.parametrize("text", ["", "none", *WRONG, "telnet://me:hunter2@acs1"])
def test_what_is_no_port_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write tcp://HOST:PORT") as refused:
        ConsoleServer.parse(text)
    assert "hunter2" not in str(refused.value)


def test_a_raw_port_carries_all_bytes_both_ways() -> None:
    everything = bytes(range(256))
    with connected() as (stream, machine):
        machine.sendall(everything)
        assert heard(stream, 256) == everything
        stream.write(everything)
        assert machine.recv(256, socket.MSG_WAITALL) == everything
        assert stream.read(0.01) == b""


def test_telnet_is_taken_out_of_what_comes_and_every_option_is_refused() -> None:
    with connected("telnet") as (stream, machine):
        said = b"log" + DO_ECHO + COM_PORT + b"in\xff\xff" + WILL_SGA + b"\r\0:\xff\xf1"
        for byte in said:
            machine.sendall(bytes([byte]))
        assert heard(stream, 8) == b"login\xff\r:"
        assert machine.recv(6, socket.MSG_WAITALL) == WONT_ECHO + DONT_SGA
        stream.write(b"\xff\r")
        assert machine.recv(4, socket.MSG_WAITALL) == b"\xff\xff\r\0"


@given(
    st.binary(max_size=60), st.lists(st.sampled_from([DO_ECHO, WILL_SGA, COM_PORT, b"\xff\xf1"]), max_size=3)
)
def test_what_was_escaped_is_read_again_amid_commands(text: bytes, commands: list[bytes]) -> None:
    wire = escaped(text) + b"".join(commands) + escaped(text)
    telnet = Telnet(lambda _: None)
    assert b"".join(telnet.text(bytes([byte])) for byte in wire) == text + text


def test_what_a_peer_does_not_want_is_not_answered() -> None:
    answers: list[bytes] = []
    assert Telnet(answers.append).text(b"\xff\xfe\x01\xff\xfc\x01x") == b"x"
    assert answers == []


def test_a_server_that_hangs_up_says_so() -> None:
    with connected() as (stream, machine):
        machine.sendall(b"Port already in use\r\n")
        machine.shutdown(socket.SHUT_RDWR)
        assert heard(stream, 21) == b"Port already in use\r\n"
        with pytest.raises(Unreachable, match=r"tcp://127.0.0.1:\d+: .* hung up; somebody else may have"):
            stream.read(20)


def test_nobody_there() -> None:
    with listening() as (server, listener):
        listener.close()
        with pytest.raises(Unreachable, match=r"Connection refused; look at the port and its protocol"):
            server.open()


def test_closing_wakes_who_reads() -> None:
    with connected() as (stream, _):
        said: list[str] = []

        def read() -> None:
            try:
                stream.read(60)
                stream.read(60)
            except Unreachable as error:
                said.append(str(error))

        reader = threading.Thread(target=read)
        reader.start()
        stream.close()
        reader.join(20)
        assert not reader.is_alive()
        assert "closed here" in said[0]


SER2NET = """\
%YAML 1.1
---
connection: &machine
  accepter: {accepter},localhost,{port}
  connector: serialdev,{device},9600n81,local
  options:
    kickolduser: true
"""


@contextmanager
def ser2net(folder: Path, accepter: str) -> Iterator[tuple[int, int]]:
    """Its port, and the machine's end of the serial line."""
    machine, line = pty.openpty()
    tty.setraw(line)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = folder / "ser2net.yaml"
    settings.write_text(SER2NET.format(accepter=accepter, port=port, device=os.ttyname(line)))
    process = subprocess.Popen(["ser2net", "-n", "-u", "-c", str(settings)], stderr=subprocess.PIPE)
    try:
        yield port, machine
    finally:
        process.kill()
        process.communicate()
        for descriptor in (machine, line):
            os.close(descriptor)


def opened(server: ConsoleServer) -> ConsoleStream:
    """Once it listens."""
    pause = threading.Event()
    while True:
        try:
            return server.open()
        except Unreachable:
            pause.wait(0.02)


@pytest.mark.skipif(shutil.which("ser2net") is None, reason="Debian's package ser2net is not installed")
@pytest.mark.parametrize(
    ("line", "accepter"), [(Line.RAW, "tcp"), (Line.TELNET, "telnet(rfc2217)"), (Line.TELNET, "telnet")]
)
def test_ser2net(tmp_path: Path, line: Line, accepter: str) -> None:
    with ser2net(tmp_path, accepter) as (port, machine):
        stream = opened(ConsoleServer(line, "localhost", port))
        everything = bytes(range(256))
        stream.write(b"\xff hello\n")
        assert os.read(machine, 100) == b"\xff hello\n"
        os.write(machine, everything)
        said = heard(stream, 256)
        assert said == everything
        stream.close()
