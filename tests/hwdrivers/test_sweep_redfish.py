from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from certificates import self_signed
from hypothesis import example, given, settings
from hypothesis import strategies as st
from peers import PASSWORD, endpoint, sushy_tools_peer, tree_peer
from simulated import Settings, Simulation, redfish

from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.connect import connect
from hwdrivers.credentials import ANONYMOUS
from hwdrivers.errors import (
    AccessDenied,
    BMCError,
    Busy,
    LogInRefused,
    ProtocolError,
    SeveralSystems,
    Unreachable,
    Unsupported,
)
from hwdrivers.sweep import Sweep

SESSIONS = "/redfish/v1/SessionService/Sessions"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    with Simulation(Settings(bmcs=200, ipmi_port=None)) as fleet:
        yield fleet


@pytest.fixture
def sweep() -> Iterator[Sweep]:
    sweep = Sweep()
    yield sweep
    sweep.close()


def told(sweep: Sweep, asked: Endpoint) -> PowerState | BMCError:
    ((who, answer),) = sweep.power([asked])
    assert who is asked
    return answer


def test_a_fleet_is_logged_in_to_once(fleet: Simulation) -> None:
    endpoints = [redfish(fleet, number) for number in range(150)]
    on = set(fleet.addresses[:150:7])
    for address in on:
        fleet.press_power(address, True)
    before = fleet.totals()
    sweep = Sweep()
    for _ in range(2):
        answers = list(sweep.power(endpoints))
        assert {each.address.host for each, power in answers if power is PowerState.ON} == on
        assert sum(power is PowerState.OFF for _, power in answers) == 150 - len(on)
    after = fleet.totals()
    sweep.close()
    assert after["logins"] - before["logins"] == 150
    assert after["sessions"] == 150
    assert fleet.totals()["sessions"] == 0


def test_a_bmc_that_was_reset_is_logged_in_to_again(fleet: Simulation, sweep: Sweep) -> None:
    assert told(sweep, redfish(fleet, 160)) is PowerState.OFF
    fleet.fault("reboot=0", fleet.addresses[160])
    assert told(sweep, redfish(fleet, 160)) is PowerState.OFF
    assert fleet.remembered(fleet.addresses[160])["logins"] == 2


def test_a_wrong_password_is_sent_once(fleet: Simulation, sweep: Sweep) -> None:
    wrong = redfish(fleet, 161, password="battery staple")
    for _ in range(3):
        error = told(sweep, wrong)
        assert isinstance(error, LogInRefused)
        assert "battery staple" not in str(error)
        assert error.__traceback__ is None
    assert fleet.remembered(fleet.addresses[161])["wrong_passwords"] == 1
    assert told(sweep, redfish(fleet, 161)) is PowerState.OFF, "another one is tried"
    sweep.forget(wrong.address)
    assert isinstance(told(sweep, wrong), LogInRefused)
    assert fleet.remembered(fleet.addresses[161])["wrong_passwords"] == 2


def test_basic_authentication_sends_a_wrong_password_once(tmp_path: Path, sweep: Sweep) -> None:
    with sushy_tools_peer(tmp_path) as peer:
        for _ in range(3):
            assert isinstance(told(sweep, endpoint(peer.address, password="battery staple")), LogInRefused)
        assert peer.state()["refused"] == ["admin"]
        assert told(sweep, endpoint(peer.address)) is PowerState.OFF


def test_a_log_in_that_is_needed_is_named(fleet: Simulation, sweep: Sweep) -> None:
    error = told(sweep, Endpoint(redfish(fleet, 162).address, ANONYMOUS))
    assert type(error) is AccessDenied
    assert "HTTP 401; name credentials" in str(error)
    assert fleet.remembered(fleet.addresses[162])["logins"] == 0


def test_several_systems_behind_one_bmc_share_a_session(tmp_path: Path, sweep: Sweep) -> None:
    with sushy_tools_peer(tmp_path, systems=2) as peer:
        error = told(sweep, endpoint(peer.address))
        assert isinstance(error, SeveralSystems)
        systems = [Endpoint(address, endpoint(peer.address).credentials) for address in error.choices]
        assert list(dict(sweep.power(systems)).values()) == [PowerState.OFF] * 2
        other = told(sweep, endpoint(peer.address + "/redfish/v1/Systems/9"))
        assert isinstance(other, SeveralSystems)
        assert "it has no /redfish/v1/Systems/9" in str(other)


@pytest.mark.parametrize(("fault", "kind"), [("busy", Busy), ("full", Busy), ("garbled", ProtocolError)])
def test_faults_are_told_in_the_drivers_words(
    fleet: Simulation, sweep: Sweep, fault: str, kind: type[BMCError]
) -> None:
    asked = redfish(fleet, 163)
    fleet.fault(f"{fault}=0" if fault == "busy" else fault, asked.address.host)
    error = told(sweep, asked)
    assert type(error) is kind
    if fault != "garbled":  # the driver meets it elsewhere first
        with pytest.raises(BMCError) as caught:
            connect(asked).power_state()
        assert str(error) == str(caught.value)
    fleet.clear()
    assert told(sweep, asked) is PowerState.OFF


@pytest.mark.parametrize(
    ("power", "words"),
    [(None, "it tells none"), ('"Broken"', "it tells 'Broken'"), ("7", "it tells 7")],
)
def test_power_that_is_no_power(sweep: Sweep, power: str | None, words: str) -> None:
    body = "{}" if power is None else f'{{"PowerState": {power}}}'
    with tree_peer("supermicro-x10", {"GET /redfish/v1/Systems/1": (200, body)}) as peer:
        error = told(sweep, endpoint(peer.address))
    assert isinstance(error, Unsupported)
    assert words in str(error)


def test_certificates(tmp_path: Path, sweep: Sweep) -> None:
    certificate, key = self_signed(tmp_path)
    with sushy_tools_peer(tmp_path, tls=(certificate, key)) as peer:
        error = told(sweep, endpoint(peer.address))
        assert isinstance(error, Unreachable)
        assert "give its certificate with --ca-file" in str(error)
        assert not error.retryable
        for trust in ({"ca_file": certificate}, {"verify_tls": False}):
            assert told(sweep, endpoint(peer.address, **trust)) is PowerState.OFF
        error = told(sweep, endpoint(peer.address, ca_file=tmp_path / "not there"))
        assert "its CA file" in str(error)


class PlainHTTP(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(4096)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_who_speaks_no_tls(sweep: Sweep) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PlainHTTP) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        asked = endpoint(f"redfish+https://127.0.0.1:{server.server_address[1]}")
        swept = told(sweep, asked)
        with pytest.raises(Unreachable) as caught:
            connect(asked)
        server.shutdown()
        thread.join()
    for error in (swept, caught.value):
        assert str(error).endswith("it speaks no TLS there; try redfish+http://")
    assert not caught.value.retryable


# --- services that say what they like


class Service:
    """Answers every request with what `answer` gives: (status, headers, body)."""

    def __init__(self) -> None:
        self.answer: Any = None
        self.asked: list[tuple[str, str, str | None]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def handle_any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                service.asked.append((self.command, self.path, self.headers.get("X-Auth-Token")))
                status, headers, body = service.answer(self.command, self.path)
                self.send_response_only(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = handle_any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"redfish+http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(
        target=service.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


@contextmanager
def serving(service: Service, documents: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[Endpoint]:
    """These documents ("METHOD path"), 404 for all others."""
    service.asked.clear()
    service.answer = lambda method, path: documents.get(f"{method} {path}", (404, {}, b"{}"))
    yield endpoint(service.address)


def document(**fields: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps(fields).encode()


SYSTEM = "/redfish/v1/Systems/1"
TREE = {
    "GET /redfish/v1/Systems": document(Members=[{"@odata.id": SYSTEM}]),
    f"GET {SYSTEM}": document(PowerState="On"),
    f"POST {SESSIONS}": (201, {"X-Auth-Token": "abc", "Location": f"{SESSIONS}/7"}, b"{}"),
    f"DELETE {SESSIONS}/7": (204, {}, b""),
}


def test_a_warm_system_is_one_request(service: Service) -> None:
    sweep = Sweep()
    with serving(service, TREE) as asked:
        assert told(sweep, asked) is PowerState.ON
        assert service.asked == [
            ("POST", SESSIONS, None),
            ("GET", "/redfish/v1/Systems", "abc"),
            ("GET", SYSTEM, "abc"),
        ]
        service.asked.clear()
        assert told(sweep, asked) is PowerState.ON
        assert service.asked == [("GET", SYSTEM, "abc")]
        service.asked.clear()
        sweep.close()
        assert service.asked == [("DELETE", f"{SESSIONS}/7", "abc")]


def test_sessions_elsewhere_are_found(service: Service, sweep: Sweep) -> None:
    tree = {
        **TREE,
        f"POST {SESSIONS}": (404, {}, b"{}"),
        "GET /redfish/v1/": document(Links={"Sessions": {"@odata.id": "/redfish/v1/Sessions"}}),
        "POST /redfish/v1/Sessions": (201, {"X-Auth-Token": "xyz"}, b"{}"),
    }
    with serving(service, tree) as asked:
        assert told(sweep, asked) is PowerState.ON
        assert service.asked[-1] == ("GET", SYSTEM, "xyz")


@pytest.mark.parametrize(
    "elsewhere", ["http://127.0.0.1:9/redfish/v1/Systems/1", "//127.0.0.1:9/x", "http://[x"]
)
def test_nobody_sends_us_to_another_host(service: Service, sweep: Sweep, elsewhere: str) -> None:
    with serving(service, {**TREE, f"GET {SYSTEM}": (302, {"Location": elsewhere}, b"")}) as asked:
        assert isinstance(told(sweep, asked), BMCError)


def test_within_the_service_we_follow(service: Service, sweep: Sweep) -> None:
    """iLO 4 has a slash at the end of each path."""
    tree = {
        **TREE,
        f"GET {SYSTEM}": (308, {"Location": f"{SYSTEM}/"}, b""),
        f"GET {SYSTEM}/": document(PowerState="Off"),
    }
    with serving(service, tree) as asked:
        assert told(sweep, asked) is PowerState.OFF


def test_a_document_without_end_is_refused(service: Service, sweep: Sweep) -> None:
    endless = b'{"PowerState": "On", "x": "' + b"x" * (2 << 20) + b'"}'
    with serving(service, {**TREE, f"GET {SYSTEM}": (200, {}, endless)}) as asked:
        assert isinstance(told(sweep, asked), ProtocolError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["On", SYSTEM, "//x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Members", "@odata.id", "PowerState", "error", "code", "@Message.ExtendedInfo", "Links"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
bodies = json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60)
answers = st.tuples(
    st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 500, 503]),
    st.dictionaries(
        st.sampled_from(["X-Auth-Token", "Location"]), st.sampled_from(["a", "/x", "//x", "http://["])
    ),
    bodies,
)


@given(st.dictionaries(st.sampled_from(sorted(TREE)), answers, max_size=3))
@example({"POST /redfish/v1/SessionService/Sessions": (302, {}, b"{}")})
@settings(max_examples=40)
def test_no_document_breaks_a_sweep(service: Service, wrong: dict[str, Any]) -> None:
    tree = {path: (s, h, b"" if s == 204 else b) for path, (s, h, b) in {**TREE, **wrong}.items()}
    sweep = Sweep()
    with serving(service, tree) as asked:
        answer = told(sweep, asked)
        sweep.close()
    assert isinstance(answer, PowerState | BMCError)
    assert "failed" not in str(answer), "a bug, not an answer"
    assert PASSWORD not in str(answer)
