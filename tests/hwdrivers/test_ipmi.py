from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import PASSWORD, endpoint, ipmi_peer
from pyghmi.ipmi import command as pyghmi_command
from stopped_clock import StoppedClock

from hwdrivers.bmc import BootDevice, Identity, PowerAction, PowerState
from hwdrivers.errors import AccessDenied, BMCTimeout, Busy, ProtocolError, Unreachable, Unsupported
from hwdrivers.ipmi import rmcp
from hwdrivers.ipmi.driver import IPMI
from hwdrivers.ipmi.session import Session, SilenceError

IMPATIENT = (0.05, 0.05, 0.05)


def test_a_bmc_that_chooses_sha1_is_understood() -> None:
    """pyghmi alone offers SHA-256 and goes on with it, whatever the BMC chose."""
    with ipmi_peer() as peer:
        session = Session("127.0.0.1", peer.port, "admin", PASSWORD)
        assert session.command(0, 1)["code"] == 0
        session.hang_up()


def test_without_our_reading_of_the_answer_the_log_in_fails() -> None:
    class Plain(Session):
        _got_rmcp_response = pyghmi_command.session.Session._got_rmcp_response

    with ipmi_peer() as peer, pytest.raises(SilenceError, match="EXPECTINGRAKP2"):
        Plain("127.0.0.1", peer.port, "admin", PASSWORD, waits=IMPATIENT)


def test_identity_of_a_bmc_that_tells() -> None:
    with ipmi_peer(identity=True) as peer:
        bmc = IPMI(endpoint(peer.address))
        assert bmc.identify() == Identity(
            vendor="Dell",
            uuid="4c4c4544-0042-3510-8052-b4c04f4d4c32",
            firmware="7.61",
            power=PowerState.OFF,
        )
        bmc.close()


def test_identity_of_one_that_does_not() -> None:
    with ipmi_peer() as peer:
        bmc = IPMI(endpoint(peer.address))
        assert bmc.identify() == Identity(firmware="1.00", power=PowerState.OFF)
        bmc.close()


@pytest.mark.parametrize(
    ("device", "flags"), [(BootDevice.PXE, 0x80), (BootDevice.CDROM, 0x80), (BootDevice.DISK, 0xC0)]
)
def test_the_network_once_and_the_disk_for_good(device: BootDevice, flags: int) -> None:
    with ipmi_peer() as peer:
        bmc = IPMI(endpoint(peer.address))
        bmc.set_boot_device(device)
        assert peer.state()["boot_flags"] == flags
        bmc.set_boot_device(device, always=True)  # of hosts that are on no disk
        assert peer.state()["boot_flags"] == 0xC0
        bmc.close()


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (0xC0, Busy, True),
        (0xC1, Unsupported, False),
        (0xC3, Busy, True),
        (0xD4, AccessDenied, False),
        (0xD5, Busy, True),
        (0xFF, ProtocolError, True),
        (0x99, ProtocolError, False),
    ],
)
def test_completion_codes_become_our_errors(code: int, kind: type[Exception], retryable: bool) -> None:
    with ipmi_peer(codes={"0.2": code}) as peer:
        bmc = IPMI(endpoint(peer.address), waits=IMPATIENT)
        with pytest.raises(kind, match=f"ask for power on: .*completion code {code:#04x}") as caught:
            bmc.request_power(PowerAction.ON)
        assert getattr(caught.value, "retryable", None) is retryable
        bmc.close()


def test_no_free_session_is_a_reason_to_wait() -> None:
    with ipmi_peer(faults=("full",)) as peer, pytest.raises(Busy, match="all its sessions are in use"):
        IPMI(endpoint(peer.address))


def test_an_unknown_user_is_told_twice_and_named() -> None:
    """virtualbmc is silent then, as if a packet were lost: one more attempt, and no password is sent."""
    with ipmi_peer() as peer:
        with pytest.raises(AccessDenied, match="told the user name 'nobody'"):
            IPMI(endpoint(peer.address, username="nobody"), waits=IMPATIENT)
        assert peer.state()["logins"] == ["nobody", "nobody"]


def test_a_bmc_gone_deaf_gets_one_new_session_and_is_given_up() -> None:
    with ipmi_peer(faults=("deaf",)) as peer:
        bmc = IPMI(endpoint(peer.address), waits=IMPATIENT)
        with pytest.raises(BMCTimeout, match="it answered before, and now not"):
            bmc.power_state()
        assert peer.state()["logins"] == ["admin", "admin"]
        bmc.close()


def test_an_idle_session_is_renewed_before_the_bmc_drops_it(clock: StoppedClock) -> None:
    with ipmi_peer() as peer:
        bmc = IPMI(endpoint(peer.address), clock=clock)
        bmc.power_state()
        assert peer.state()["logins"] == ["admin"]
        clock.sleep(31)
        bmc.power_state()
        assert peer.state()["logins"] == ["admin", "admin"]
        bmc.close()


@contextmanager
def mute_port() -> Iterator[int]:
    """A port that takes packets and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


def test_silence_is_bounded() -> None:
    with mute_port() as port, pytest.raises(Unreachable, match=r"no answer within 0\.15 s"):
        IPMI(endpoint(f"ipmi://127.0.0.1:{port}"), waits=IMPATIENT)


@given(st.binary(max_size=80))
def test_rubbish_is_no_answer(packet: bytes) -> None:
    assert rmcp.read_answer(packet) is None or packet[:1] == b"\x06"


def test_damaged_packets_are_dropped() -> None:
    with mute_port() as port:
        stop = threading.Event()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
            liar.bind(("127.0.0.1", 0))
            liar.settimeout(5)

            def lie() -> None:
                while not stop.is_set():
                    packet, peer = liar.recvfrom(3000)
                    for length in range(4, 30):
                        liar.sendto((packet + bytes(30))[:length], peer)

            thread = threading.Thread(target=lie, daemon=True)
            thread.start()
            with pytest.raises((Unreachable, ProtocolError)):
                IPMI(endpoint(f"ipmi://127.0.0.1:{liar.getsockname()[1]}"), waits=IMPATIENT)
            stop.set()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as poke:
                poke.sendto(b"", liar.getsockname())
            thread.join()
        assert port


def test_many_threads_and_many_bmcs_do_not_mix_up_their_answers() -> None:
    """One BMC of three refuses, one is on: nobody gets a neighbour's answer."""
    with ExitStack() as stack:
        on, off, refusing = (
            stack.enter_context(peer) for peer in (ipmi_peer(), ipmi_peer(), ipmi_peer(codes={"0.1": 0xC0}))
        )
        first = IPMI(endpoint(on.address))
        first.request_power(PowerAction.ON)
        first.close()

        def ask(number: int) -> object:
            bmc = IPMI(endpoint((on, off, refusing)[number % 3].address))
            try:
                return bmc.power_state()
            except Busy:
                return Busy
            finally:
                bmc.close()

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(96)))
    assert answers == [PowerState.ON, PowerState.OFF, Busy] * 32


def test_a_process_with_an_open_session_ends() -> None:
    with ipmi_peer() as peer:
        code = (
            "import sys; sys.path.insert(0, 'tests/hwdrivers'); from peers import endpoint\n"
            "from hwdrivers.ipmi.driver import IPMI; import threading\n"
            f"bmc = IPMI(endpoint({peer.address!r})); print(bmc.power_state(), threading.active_count())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "power off 1\n", done.stderr
