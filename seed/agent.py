"""The client of ironic-python-agent's API (13.0.0): commands over TLS, pinned to the CA the agent sent."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from hwdrivers.credentials import Secret
from seed.model import Agent, Node

# httpx logs every URL at INFO, and the agent takes its token nowhere but in the query string.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

TIMEOUT = httpx.Timeout(30, connect=5)
LONG = httpx.Timeout(300, connect=5)  # slow disks take minutes to flush


class AgentError(Exception):
    """The agent did not do as asked; the message never carries the token."""

    retryable = False


class AgentUnreachable(AgentError):
    """Nothing answers where the agent said it listens."""

    retryable = True


@dataclass(frozen=True)
class Command:
    """One command that the agent was given; status is RUNNING, SUCCEEDED, FAILED or a version mismatch."""

    id: str
    name: str
    status: str
    error: str | None = None
    result: Any = None

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"

    @property
    def succeeded(self) -> bool:
        return self.status == "SUCCEEDED"

    @property
    def mismatched(self) -> bool:
        """Not executed: the agent's hardware managers are other ones than when it listed its steps."""
        return self.status.endswith("VERSION_MISMATCH")


class AgentClient:
    """Talks to one agent."""

    def __init__(self, agent: Agent, token: Secret, *, transport: httpx.BaseTransport | None = None) -> None:
        """`transport`: what carries the requests in place of the network."""
        self._agent = agent
        self._token = token
        self._transport = transport

    def commands(self) -> list[Command]:
        """What the agent was told since its ramdisk started; proves that it is the one with our token."""
        answer = self._call("GET")
        with self._reading():
            return [_command(item) for item in answer["commands"]]

    def start(self, name: str, params: dict[str, Any], *, wait: bool = False) -> Command:
        """Give the agent a command such as 'standby.prepare_image'; `wait` until it is done, for minutes."""
        timeout = LONG if wait else TIMEOUT
        answer = self._call("POST", {"name": name, "params": params}, timeout, wait=str(wait).lower())
        with self._reading():
            return _command(answer)

    def do(self, name: str, params: dict[str, Any]) -> Any:
        """Have a short command done, for its result; raises AgentError when it fails (HTTP says 200 then)."""
        command = self.start(name, params, wait=True)
        if not command.succeeded:
            raise AgentError(f"the agent failed at {name}: {command.error or command.status}")
        return command.result

    def steps(self, kind: str, node: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
        """The steps of a kind, clean or service, that the agent offers, and what it calls their version.

        The agent lists them by the hardware manager that has them, each step once.
        """
        listed = self.do(f"{kind}.get_{kind}_steps", {"node": node, "ports": []})
        with self._reading():
            steps = [
                {**step, "step": str(step["step"]), "interface": str(step["interface"])}
                for own in listed[f"{kind}_steps"].values()
                for step in own
            ]
            return steps, listed["hardware_manager_version"]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, TypeError, AttributeError):
            raise AgentError(f"what listens at {self._agent.url} answers, but not as an agent does") from None

    def _call(self, method: str, body: Any = None, timeout: httpx.Timeout = TIMEOUT, **query: str) -> Any:
        url = f"{self._agent.url}/v1/commands/"
        query["agent_token"] = self._token.reveal()
        try:
            with httpx.Client(
                verify=self._context(), timeout=timeout, trust_env=False, transport=self._transport
            ) as client:
                answer = client.request(method, url, params=query, json=body)
        except httpx.HTTPError as error:
            raise AgentUnreachable(
                f"the agent at {self._agent.url} does not answer: {_words(error)}"
            ) from None
        except httpx.InvalidURL:
            raise AgentError(f"the agent said it listens at {self._agent.url!r}, which is no URL") from None
        return self._content(answer)

    def _context(self) -> ssl.SSLContext:
        if self._agent.ca is None:
            raise AgentError(f"the agent at {self._agent.url} sent no certificate; an older agent than 6.6?")
        try:
            return ssl.create_default_context(cadata=self._agent.ca)
        except (ssl.SSLError, ValueError) as error:
            raise AgentError(f"the agent at {self._agent.url} sent a broken certificate: {error}") from None

    def _content(self, answer: httpx.Response) -> Any:
        if answer.status_code == 401:
            raise AgentError(f"the agent at {self._agent.url} refuses our token: it is not the one we booted")
        if answer.status_code >= 400:
            raise AgentError(f"the agent at {self._agent.url} answers {answer.status_code}: {_fault(answer)}")
        try:
            return answer.json()
        except ValueError:
            raise AgentError(f"the agent at {self._agent.url} answers something that is no JSON") from None


def agent_node(
    node: Node, root_device: dict[str, Any] | None = None, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A node as the agent wants it; it keeps this document, and takes hints and settings from it.

    `settings` are Ironic's `agent_*` ones: burn-in is told in driver_info, erasure in driver_internal_info.
    """
    told = dict(settings or {})
    return {
        "uuid": node.uuid,
        "properties": {},
        "instance_info": {"root_device": root_device} if root_device else {},
        "driver_info": told,
        "driver_internal_info": told,
        "target_raid_config": told.get("target_raid_config", {}),
    }


def _command(item: dict[str, Any]) -> Command:
    error = item.get("command_error")
    if isinstance(error, dict):
        error = error.get("details") or error.get("message") or str(error)
    return Command(
        item["id"], item["command_name"], item["command_status"], error, item.get("command_result")
    )


def _fault(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["faultstring"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _words(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
