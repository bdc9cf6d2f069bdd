"""Redfish services that are slow, full, forgetful or false: bounded, in words, without a lock-out."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from certificates import self_signed
from peers import endpoint, sushy_tools_peer, tree_peer

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.credentials import ANONYMOUS
from hwdrivers.errors import (
    AccessDenied,
    BMCError,
    BMCTimeout,
    Busy,
    LogInRefused,
    ProtocolError,
    Unreachable,
    Unsupported,
)
from hwdrivers.redfish.driver import Redfish

SYSTEM = "/redfish/v1/Systems/1"
SESSIONS = "/redfish/v1/SessionService/Sessions"


class Recorder:
    """A pace that writes down what it is told, and may say no."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.closed = False

    def wait(self) -> None:
        if self.closed:
            raise Busy("left alone for now")
        self.heard.append("wait")

    def answered(self, seconds: float) -> None:
        self.heard.append("answered")

    def overloaded(self, seconds: float, seen: str) -> None:
        self.heard.append(seen)


def test_a_session_that_expired_is_opened_again_once() -> None:
    with tree_peer("supermicro-x10", faults=("forgets",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert [bmc.power_state() for _ in range(9)] == [PowerState.OFF] * 9
        assert len(peer.state()["logins"]) == 2
        bmc.close()
        assert peer.state()["sessions"] == []


def test_a_password_that_was_changed_meanwhile_is_tried_once() -> None:
    with tree_peer("supermicro-x10", faults=("new password",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        with pytest.raises(LogInRefused):
            for _ in range(9):
                bmc.power_state()
        assert len(peer.state()["logins"]) == 2
        for _ in range(5):
            with pytest.raises(LogInRefused, match="the log-in was refused before"):
                bmc.power_state()
        assert len(peer.state()["logins"]) == 2
        bmc.close()


def test_a_basic_log_in_that_is_refused_meanwhile_is_not_sent_again(tmp_path: Path) -> None:
    pytest.importorskip("sushy_tools")
    with sushy_tools_peer(tmp_path, faults=("new password",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        with pytest.raises(LogInRefused, match="HTTP 401"):
            for _ in range(9):
                bmc.power_state()
        for _ in range(5):
            with pytest.raises(LogInRefused, match="the log-in was refused before"):
                bmc.power_state()
        assert len(peer.state()["refused"]) == 1
        bmc.close()


def test_what_we_may_not_see_is_no_reason_to_log_in_again() -> None:
    with tree_peer("supermicro-x10", {f"GET {SYSTEM}": (403, "{}")}) as peer:
        bmc = Redfish(endpoint(peer.address))
        for _ in range(3):
            with pytest.raises(AccessDenied, match="Operator or Administrator"):
                bmc.power_state()
        assert peer.state()["sessions"] == ["token1"]
        bmc.close()


def test_one_document_that_asks_for_a_log_in_again_and_again_gets_one() -> None:
    with tree_peer("supermicro-x10", {"GET /redfish/v1/Managers/1": (401, "{}")}) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert [bmc.identify().firmware for _ in range(5)] == [None] * 5
        assert len(peer.state()["logins"]) == 2
        bmc.close()


def test_a_full_session_table_is_told_and_not_asked_again() -> None:
    with tree_peer("supermicro-x10", faults=("full",)) as peer:
        with pytest.raises(Busy, match="all its sessions are taken") as caught:
            Redfish(endpoint(peer.address))
        assert caught.value.retryable
        assert peer.state()["logins"] == ["admin"]


def test_a_refusal_in_a_shape_of_its_own_is_a_refusal() -> None:
    for body in (
        "[]",
        "401",
        '{"error": "wrong password"}',
        '{"error": {"@Message.ExtendedInfo": "no"}}',
        "<p>",
    ):
        with tree_peer("supermicro-x10", {f"POST {SESSIONS}": (401, body)}) as peer:
            with pytest.raises(LogInRefused):
                Redfish(endpoint(peer.address))
            assert peer.state()["logins"] == ["admin"]


@pytest.mark.parametrize("status", [503, 429])
def test_not_now_is_asked_once_more_after_the_pause_that_it_asks_for(status: int) -> None:
    pace = Recorder()
    with tree_peer("supermicro-x10", {f"GET {SYSTEM}": (status, "{}", {"Retry-After": "0"}, 1)}) as peer:
        bmc = Redfish(endpoint(peer.address), pace=pace)
        assert bmc.power_state() is PowerState.OFF
        bmc.close()
    assert pace.heard.count(f"HTTP {status}") == 1
    assert pace.heard.count("wait") == len(pace.heard) / 2


def test_always_not_now_is_given_up_and_a_long_pause_is_not_waited_for() -> None:
    for retry_after, requests in (("0", 2), ("3600", 1)):
        busy = {f"GET {SYSTEM}": (503, "{}", {"Retry-After": retry_after})}
        with tree_peer("supermicro-x10", busy) as peer:
            bmc = Redfish(endpoint(peer.address))
            with pytest.raises(Busy):
                bmc.power_state()
            assert peer.state()["requests"].count(f"GET {SYSTEM}") == requests
            bmc.close()


def test_an_overload_makes_no_part_absent() -> None:
    nics = {f"GET {SYSTEM}/EthernetInterfaces/2": (503, "{}", {"Retry-After": "0"})}
    with tree_peer("supermicro-x10", nics) as peer:
        bmc = Redfish(endpoint(peer.address))
        with pytest.raises(Busy):
            bmc.macs()
        bmc.close()


def test_silence_is_a_time_out_and_the_pace_hears_of_it() -> None:
    pace = Recorder()
    with tree_peer("supermicro-x10", faults=("slow",)) as peer:
        bmc = Redfish(endpoint(peer.address), pace=pace, timeout=0.5)
        with pytest.raises(BMCTimeout, match="took the question and did not answer") as caught:
            bmc.power_state()
        assert caught.value.retryable
        bmc.close()
    assert pace.heard.count("ReadTimeout") == 1


def test_an_answer_that_does_not_end_is_given_up() -> None:
    pace = Recorder()
    with tree_peer("supermicro-x10", faults=("trickles",)) as peer:
        bmc = Redfish(endpoint(peer.address), pace=pace, timeout=0.3)
        with pytest.raises(BMCTimeout):
            bmc.power_state()
        bmc.close()
    assert pace.heard.count("ReadTimeout") == 1


def test_a_connection_that_breaks_is_told_to_the_pace() -> None:
    pace = Recorder()
    with tree_peer("supermicro-x10", faults=("resets",)) as peer:
        bmc = Redfish(endpoint(peer.address), pace=pace)
        with pytest.raises(Unreachable):
            bmc.power_state()
        bmc.close()
    assert "ConnectionError" in pace.heard


def test_a_pace_that_says_no_is_obeyed_also_at_the_end() -> None:
    pace = Recorder()
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address), pace=pace)
        pace.closed = True
        before = len(peer.state()["requests"])
        with pytest.raises(Busy, match="left alone for now"):
            bmc.power_state()
        bmc.close()
        assert len(peer.state()["requests"]) == before


def test_another_service_does_not_get_our_token() -> None:
    with tree_peer("supermicro-x10") as thief:
        there = f"http://127.0.0.1:{thief.port}{SYSTEM}"
        for answer in ((302, "", {"Location": there}), (200, json.dumps({"@odata.id": there}))):
            with tree_peer("supermicro-x10", {f"GET {SYSTEM}": answer}) as peer:
                bmc = Redfish(endpoint(peer.address))
                with pytest.raises(BMCError):
                    bmc.power_state()
                bmc.close()
        with tree_peer("supermicro-x10", {"GET /redfish/v1/Systems": (302, "", {"Location": there})}) as peer:
            with pytest.raises(Unreachable, match=r"it sends us on to 127\.0\.0\.1:"):
                Redfish(endpoint(peer.address))
            assert peer.state()["sessions"] == []
        links = {"Members": [{"@odata.id": there}, {"@odata.id": "//127.0.0.1:1/redfish/v1/Systems/1"}]}
        with (
            tree_peer("supermicro-x10", more={"/redfish/v1/Systems": links}) as peer,
            pytest.raises(ProtocolError, match="it lists no system"),
        ):
            Redfish(endpoint(peer.address))
        root = {"Id": "1", "Links": {"Sessions": {"@odata.id": f"http://127.0.0.1:{thief.port}{SESSIONS}"}}}
        more = {"/redfish/v1": root | {"Systems": {"@odata.id": "/redfish/v1/Systems"}}}
        opened = {"X-Auth-Token": "token", "Location": f"http://127.0.0.1:{thief.port}{SESSIONS}/7"}
        with tree_peer("supermicro-x10", {f"POST {SESSIONS}": (201, "{}", opened)}, more=more) as peer:
            with pytest.raises(BMCError):
                Redfish(endpoint(peer.address))
            assert f"DELETE {SESSIONS}/7" in peer.state()["requests"]
        assert thief.state()["requests"] == []


def test_no_log_in_where_none_is_wanted() -> None:
    with tree_peer("dmtf-rackmount1", faults=("open to all",)) as peer:
        bmc = Redfish(Endpoint(BMCAddress.parse(peer.address), ANONYMOUS))
        assert bmc.identify().vendor == "Contoso"
        bmc.close()
        assert peer.state()["logins"] == []
    for status in (401, 403):
        secret = {"GET /redfish/v1/Managers/BMC": (status, "{}")}
        with tree_peer("dmtf-rackmount1", secret, faults=("open to all",)) as peer:
            bmc = Redfish(Endpoint(BMCAddress.parse(peer.address), ANONYMOUS))
            assert bmc.identify().firmware is None
            bmc.close()
    with tree_peer("supermicro-x10") as peer:
        with pytest.raises(AccessDenied, match="name credentials"):
            Redfish(Endpoint(BMCAddress.parse(peer.address), ANONYMOUS))
        assert peer.state()["logins"] == []


BLADES = {
    "/redfish/v1/Systems": {"Members": [{"@odata.id": SYSTEM}, {"@odata.id": "/redfish/v1/Systems/2"}]},
    "/redfish/v1/Systems/2": {"Id": "2", "PowerState": "On", "Manufacturer": "Contoso"},
}


def test_systems_behind_one_service_share_its_session() -> None:
    with tree_peer("supermicro-x10", more=BLADES) as peer:
        with ThreadPoolExecutor(2) as pool:
            paths = [SYSTEM, "/redfish/v1/Systems/2"]
            first, second = pool.map(lambda path: Redfish(endpoint(peer.address + path)), paths)
        assert [bmc.identify().vendor for bmc in (first, second)] == ["Supermicro", "Contoso"]
        assert peer.state()["sessions"] == ["token1"]
        first.close()
        assert second.power_state() is PowerState.OFF
        with pytest.raises(BMCError, match="closed here"):
            first.power_state()
        second.close()
        assert peer.state()["sessions"] == []
        with pytest.raises(LogInRefused):
            Redfish(endpoint(peer.address + SYSTEM, password="wrong"))
        assert len(peer.state()["logins"]) == 2


def test_systems_that_are_opened_together_send_a_wrong_password_once() -> None:
    together = threading.Barrier(4)

    def refused(path: str) -> bool:
        together.wait()
        with pytest.raises(LogInRefused):
            Redfish(endpoint(peer.address + path, password="wrong"))
        return True

    with tree_peer("supermicro-x10", more=BLADES, faults=("slow log-in",)) as peer:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(refused, [SYSTEM, "/redfish/v1/Systems/2"] * 2))
        assert peer.state()["logins"] == ["admin"]


@contextmanager
def old_tls(folder: Path) -> Iterator[int]:
    """A BMC of 2012: TLS 1.0 and a 1024-bit key."""

    class Root(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"Id": "RootService", "Systems": {"@odata.id": "/redfish/v1/Systems"}, "Members": []}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1
    context.load_cert_chain(*self_signed(folder, rsa_bits=1024))
    with ThreadingHTTPServer(("127.0.0.1", 0), Root) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_only_where_certificates_are_not_verified(tmp_path: Path) -> None:
    with old_tls(tmp_path) as port:
        address = f"redfish+https://127.0.0.1:{port}"
        with pytest.raises(Unreachable, match="accept any with --insecure") as caught:
            Redfish(endpoint(address))
        assert not caught.value.retryable
        with pytest.raises(ProtocolError, match="it lists no system"):
            Redfish(endpoint(address, verify_tls=False))


def test_no_time_is_lost_on_what_a_bmc_cannot_do() -> None:
    broken = {f"GET {SYSTEM}/LogServices": (500, "{}"), "GET /redfish/v1/Chassis/1": (501, "{}")}
    with tree_peer("supermicro-x10", broken) as peer:
        bmc = Redfish(endpoint(peer.address))
        with pytest.raises(Unsupported):
            bmc.event_log.entries()
        with pytest.raises(Unsupported):
            bmc.sensors.read()
        assert peer.state()["requests"].count(f"GET {SYSTEM}/LogServices") == 1
        bmc.close()


def test_a_root_that_is_shown_to_nobody_without_a_password() -> None:
    with tree_peer("supermicro-x10", faults=("closed root",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.power_state() is PowerState.OFF
        assert peer.state()["sessions"] == ["token2"]
        bmc.close()
        with pytest.raises(LogInRefused):
            Redfish(endpoint(peer.address, password="wrong"))
        assert len(peer.state()["logins"]) == 3


def test_a_factory_password_that_must_be_changed_is_told_as_such() -> None:
    words = '{"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.PasswordChangeRequired"}]}}'
    with (
        tree_peer("supermicro-x10", {"GET /redfish/v1/Systems": (403, words)}) as peer,
        pytest.raises(AccessDenied, match="change its factory password"),
    ):
        Redfish(endpoint(peer.address))
