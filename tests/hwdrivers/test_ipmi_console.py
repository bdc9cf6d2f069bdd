"""Serial over LAN through OpenIPMI's ipmi_sim: from a program that plays the serial port, and a machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from peers import endpoint, ipmi_peer, ipmi_sim_peer

from hwdrivers.errors import BMCError, Busy, Unsupported
from hwdrivers.interfaces import ConsoleStream, Interface
from hwdrivers.ipmi.console import Console
from hwdrivers.ipmi.driver import IPMI

pytestmark = pytest.mark.skipif(
    shutil.which("ipmi_sim") is None, reason="ipmi_sim is not installed: Debian's package openipmi has it"
)
BOOT_TEXT = b"".join(b"boot line %d\r\n" % number for number in range(200))


class SerialPort:
    """The machine's end of the cable: says what it is told to, and repeats what is typed in capitals."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._plugged = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def say(self, text: bytes) -> None:
        assert self._plugged.wait(20)
        self._cable.sendall(text)

    def unplug(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        self._cable, _ = self._listener.accept()
        self._plugged.set()
        with self._cable:
            while typed := self._cable.recv(1000):
                self._cable.sendall(typed.upper())


@pytest.fixture
def serial() -> Iterator[SerialPort]:
    port = SerialPort()
    yield port
    port.unplug()


@contextmanager
def machine(folder: Path, serial: SerialPort, **more: Any) -> Iterator[IPMI]:
    with ipmi_sim_peer(folder, serial=serial.port, **more) as peer:
        bmc = IPMI(endpoint(peer.address))
        yield bmc
        bmc.close()


def read_until(console: ConsoleStream, end: bytes) -> bytes:
    heard = b""
    for _ in range(100):
        heard += console.read(1)
        if end in heard:
            return heard
    raise AssertionError(f"never said {end!r}, but {heard!r}")


def test_what_the_machine_writes_is_read_and_what_is_typed_arrives(
    tmp_path: Path, serial: SerialPort
) -> None:
    with machine(tmp_path, serial) as bmc:
        assert bmc.abilities()[Interface.CONSOLE].supported
        console = bmc.console.open()
        serial.say(BOOT_TEXT + b"login: ")
        assert read_until(console, b"login: ") == BOOT_TEXT + b"login: "
        console.write(b"root\r" * 40)  # more than ipmi_sim takes at once
        assert read_until(console, b"ROOT\r" * 40) == b"ROOT\r" * 40
        assert console.read(0) == b""
        assert bmc.power_state()  # the other session goes on
        console.close()


def test_one_has_it_and_the_next_one_after_the_close(tmp_path: Path, serial: SerialPort) -> None:
    with machine(tmp_path, serial) as bmc:
        first = bmc.console.open()
        with pytest.raises(Busy, match="somebody else has it open; close it there"):
            bmc.console.open()
        first.close()
        first.close()
        for use in (lambda: first.read(0), lambda: first.write(b"x")):
            with pytest.raises(BMCError, match="it was closed here"):
                use()
        second = bmc.console.open()
        serial.say(b"hello")
        assert read_until(second, b"hello") == b"hello"
        second.close()


def test_lost_packets_are_sent_again_and_nothing_twice(tmp_path: Path, serial: SerialPort) -> None:
    with machine(tmp_path, serial, lose=8) as bmc:
        console = bmc.console.open()
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(read_until, console, b"C" * 100)
            for letter in (b"a", b"b", b"c"):
                console.write(letter * 100)
            assert heard.result() == b"A" * 100 + b"B" * 100 + b"C" * 100
        console.close()


def test_who_lost_it_is_told(tmp_path: Path, serial: SerialPort) -> None:
    with machine(tmp_path, serial) as bmc:
        console = Console(bmc._bmc, keep_alive=0).open()
        assert console.read(0.01) == b""
        bmc._bmc.ask("take the console away", 0x06, 0x49, (1, 1, 0, 0, 0, 0))  # Deactivate Payload
        with pytest.raises(BMCError, match="somebody else took it over, or the BMC was reset") as caught:
            read_until(console, b"anything")
        assert caught.value.retryable
        console.close()


def test_a_close_wakes_up_who_reads(tmp_path: Path, serial: SerialPort) -> None:
    with machine(tmp_path, serial) as bmc, ThreadPoolExecutor(1) as pool:
        console = bmc.console.open()
        reader = pool.submit(console.read, 3600)
        console.close()
        with pytest.raises(BMCError, match="it was closed here"):
            reader.result(timeout=30)


@pytest.mark.usefixtures("no_new_sockets")
def test_a_console_that_is_not_let_in_leaves_nothing_open() -> None:
    with ipmi_peer() as peer:
        bmc = IPMI(endpoint(peer.address))
        with pytest.raises(Unsupported, match="Serial over LAN is switched off"):
            bmc.console.open()
        bmc.close()


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is not installed")
def test_a_machines_firmware_is_seen_and_steered(tmp_path: Path) -> None:
    """SeaBIOS on its serial port: the prompt is read, ESC is typed, the boot menu comes."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["qemu-system-x86_64", "-machine", "pc,accel=tcg,graphics=off", "-m", "32", "-nodefaults", "-S"]
    command += ["-display", "none", "-boot", "menu=on,splash-time=60000", "-monitor", "stdio"]
    command += ["-serial", f"tcp:127.0.0.1:{port},server=on,wait=off"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as qemu:
        assert qemu.stdin is not None
        assert qemu.stdout is not None
        try:
            assert "monitor" in qemu.stdout.readline()  # its serial port listens now
            with ipmi_sim_peer(tmp_path, serial=port) as peer:
                bmc = IPMI(endpoint(peer.address))
                console = bmc.console.open()
                qemu.stdin.write("cont\n")
                qemu.stdin.flush()
                assert b"SeaBIOS" in read_until(console, b"Press ESC for boot menu")
                console.write(b"\x1b")
                read_until(console, b"Select boot device")
                console.close()
                bmc.close()
        finally:
            qemu.kill()
