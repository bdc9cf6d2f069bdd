"""The agent's client against a real HTTPS server, and what the fake agent has in common with the real one."""

from __future__ import annotations

import logging
import ssl
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from agent_certificate import self_signed
from seed_machine import DISKS

from hwdrivers.credentials import Secret
from seed.agent import AgentClient, AgentError, AgentUnreachable
from seed.fake_agent import FakeAgent
from seed.model import Agent
from seed.steps.agent_command import progress_of

TOKEN = "a-token-that-nobody-may-see-anywhere"


@dataclass
class Served:
    """An agent behind TLS on a real socket."""

    url: str
    ca: str
    fake: FakeAgent

    def client(self, token: str = TOKEN, *, ca: str | None = None, url: str | None = None) -> AgentClient:
        agent = Agent("uuid", "127.0.0.1", datetime.now(UTC), url or self.url, ca or self.ca, "13.0.0")
        return AgentClient(agent, Secret(token))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    fake = FakeAgent(DISKS)
    fake.boot()
    fake.token = TOKEN
    certificate, key = self_signed("127.0.0.1")
    (tmp_path / "both.pem").write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with _listening(fake, context) as port:
        yield Served(f"https://127.0.0.1:{port}", certificate, fake)


@contextmanager
def _listening(fake: FakeAgent, context: ssl.SSLContext) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = fake.handle(httpx.Request(self.command, f"https://agent{self.path}", content=body))
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_commands_go_over_tls_that_is_pinned(served: Served) -> None:
    client = served.client()
    started = client.start("deploy.execute_deploy_step", _order())
    assert started.running
    assert started.name == "execute_deploy_step"
    served.fake.finish()
    (told,) = client.commands()
    assert told.id == started.id
    assert told.succeeded
    assert [written.disk for written in served.fake.written] == ["/dev/nvme0n1"]


def test_the_result_of_a_short_command_comes_at_once(served: Served) -> None:
    result = served.client().do("clean.get_clean_steps", {"node": {}, "ports": []})
    assert result["hardware_manager_version"] == {"generic_hardware_manager": "1.2"}


def test_a_command_that_fails_says_why_though_http_says_200(served: Served) -> None:
    served.fake.faults["standby.sync"] = "Input/output error"
    with pytest.raises(AgentError, match=r"failed at standby\.sync: Input/output error") as caught:
        served.client().do("standby.sync", {})
    assert not caught.value.retryable


def test_another_certificate_is_refused_before_the_token_is_sent(served: Served) -> None:
    stranger, _ = self_signed("127.0.0.1")
    with pytest.raises(AgentUnreachable, match=r"does not answer.*certificate"):
        served.client(ca=stranger).start("standby.sync", {})
    assert served.fake.history == []


def test_a_certificate_for_another_address_is_refused(served: Served) -> None:
    with pytest.raises(AgentUnreachable, match="does not answer"):
        served.client(url=served.url.replace("127.0.0.1", "127.0.0.2")).commands()


def test_a_wrong_token_is_refused_and_never_shown(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    wrong = "another-token-that-nobody-may-see"
    with caplog.at_level(logging.DEBUG), pytest.raises(AgentError, match="refuses our token") as caught:
        served.client(wrong).commands()
    assert not isinstance(caught.value, AgentUnreachable)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert wrong not in shown


@pytest.mark.parametrize("broken", ["gone", "token", "url"])
def test_the_token_is_nowhere_in_logs_and_tracebacks(
    served: Served, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    url = {"gone": "https://127.0.0.1:9", "token": served.url, "url": "https://[nonsense"}[broken]
    if broken == "token":
        served.fake.token = "changed"
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(AgentError) as caught:
            served.client(url=url).start("standby.sync", {})
        logging.getLogger("seed").error("as the conductor logs it", exc_info=caught.value)
    assert TOKEN not in caplog.text
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_a_token_that_works_is_not_logged_either(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        served.client().commands()
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(served.client().__dict__)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            httpx.Response(409, json={"faultstring": "Agent is busy: ..."}),
            "answers 409: Agent is busy",
        ),
        (httpx.Response(502, text="<html>a proxy</html>"), "answers 502: <html>"),
        (httpx.Response(200, text="<html>a proxy</html>"), "no JSON"),
        (httpx.Response(200, json={}), "not as an agent does"),
    ],
)
def test_odd_answers_are_errors_of_the_agent(ca: str, answer: httpx.Response, words: str) -> None:
    agent = Agent("uuid", "10.0.0.101", datetime.now(UTC), "https://10.0.0.101:9999", ca)
    client = AgentClient(agent, Secret(TOKEN), transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(AgentError, match=words):
        client.commands()


@pytest.mark.parametrize("certificate", [None, "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_an_agent_without_a_usable_certificate_is_not_talked_to(certificate: str | None) -> None:
    agent = Agent("uuid", "127.0.0.1", datetime.now(UTC), "https://127.0.0.1:9", certificate)
    with pytest.raises(AgentError, match="certificate"):
        AgentClient(agent, Secret(TOKEN)).commands()


# -- the fake ----------------------------------------------------------------------------------------------


def test_the_fake_does_one_long_command_at_a_time(served: Served) -> None:
    client = served.client()
    client.start("deploy.execute_deploy_step", _order())
    with pytest.raises(AgentError, match="409: Agent is busy: executing command execute_deploy_step"):
        client.do("standby.sync", {})


def test_the_fake_forgets_all_but_its_disks_when_it_boots(served: Served) -> None:
    client = served.client()
    client.start("deploy.execute_deploy_step", _order(), wait=True)
    served.fake.boot()
    with pytest.raises(AgentError, match="refuses our token"):
        client.commands()
    served.fake.token = TOKEN
    assert client.commands() == []
    assert len(served.fake.written) == 1


def test_the_fake_tells_how_far_an_image_is(served: Served) -> None:
    client = served.client()
    client.start("deploy.execute_deploy_step", _order())
    (command,) = client.commands()
    assert progress_of(command) == ", 1 of 8 MiB"


def _order() -> dict[str, object]:
    image = {"id": "one", "sha512": "sha512", "size": 8 * 1024**2}
    args = {"image": image, "disk": {"name": "/dev/nvme0n1", "serial": "DISK-B"}}
    return {
        "step": {"step": "write_image_stream", "interface": "deploy", "args": args},
        "node": {},
        "ports": [],
    }
