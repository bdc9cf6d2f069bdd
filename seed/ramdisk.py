"""The ramdisk that a node runs between power-on and its operating system, and the agent in it.

One token for each boot of a ramdisk: given out once, at lookup, and worthless after the next boot.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from hwdrivers.credentials import Secret
from hwdrivers.inventory import Inventory
from seed.agent import AgentClient, AgentError, AgentUnreachable, Command
from seed.model import Agent, NextBoot, Node
from seed.step import Walk
from seed.store import Store

HEARTBEAT_TIMEOUT = 300  # seconds, told to the agent; it beats every 0.3 to 0.6 of that
TOKEN = "agent-token"  # noqa: S105 - the name under which the secret is kept


class LookupRefused(Exception):
    """A lookup that gets no token."""


class Ramdisk:
    """What the seed knows of the agents in its nodes' ramdisks."""

    def __init__(
        self,
        store: Store,
        connect: Callable[[Agent, Secret], AgentClient] = AgentClient,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._connect = connect
        self._clock = clock

    # -- what a ramdisk says ---------------------------------------------------------------------

    def reported(self, node: Node, address: str, inventory: Inventory) -> None:
        """An agent that just started posted what it found in the machine; raises LookupRefused."""
        with self._store.write() as tx:
            if tx.nodes.get(node.uuid).next_boot is not NextBoot.RAMDISK:
                raise LookupRefused(f"node '{node.name}' is not to run a ramdisk now")
            agent = tx.nodes.agent(node.uuid) or Agent(node.uuid, address)
            if agent.heartbeat_at is not None:  # disks are chosen by the report of the agent with the token
                raise LookupRefused(f"an agent of node '{node.name}' is at work already")
            if agent.address != address:
                raise LookupRefused(f"{agent.address} reported for node '{node.name}' in this boot already")
            tx.nodes.put_agent(replace(agent, report=inventory))
            told, disks = f"the agent at {address} reported its hardware", len(inventory.disks)
            tx.events.add("agent.report", told, node=node.uuid, disks=disks)
            tx.runs.wake(node.uuid)

    def lookup(self, node: Node, address: str) -> Secret:
        """The token for the agent at `address`; raises LookupRefused.

        An answer can get lost, so the same address gets the same token until its first heartbeat.
        """
        with self._store.write() as tx:
            if tx.nodes.get(node.uuid).next_boot is not NextBoot.RAMDISK:
                raise LookupRefused(f"node '{node.name}' is not to run a ramdisk now")
            agent = tx.nodes.agent(node.uuid) or Agent(node.uuid, address)
            if agent.heartbeat_at is not None or agent.address != address:
                raise LookupRefused(
                    f"the agent at {agent.address} is that of node '{node.name}' in this boot"
                )
            token = tx.secrets.find(node.uuid, TOKEN) or Secret(secrets.token_urlsafe(48))
            tx.secrets.put(node.uuid, TOKEN, token)
            tx.nodes.put_agent(agent)
            tx.events.add("agent.lookup", f"the agent at {address} looked itself up", node=node.uuid)
            return token

    def heartbeat(self, node: Node, token: Secret, *, url: str, ca: str | None, version: str | None) -> bool:
        """Keep where the agent listens; False when it is not the agent that we gave the token to.

        Address and certificate are those of the first heartbeat: a stolen token moves nothing elsewhere.
        """
        with self._store.write() as tx:
            agent = tx.nodes.agent(node.uuid)
            if agent is None or token != tx.secrets.find(node.uuid, TOKEN):
                return False
            if agent.heartbeat_at is None:
                where = urlsplit(url)
                if where.scheme != "https" or where.hostname != agent.address:
                    return False
                agent = replace(agent, url=url, ca=ca, version=version)
                tx.events.add("agent.heartbeat", f"the agent at {agent.address} is ready", node=node.uuid)
            now = self._clock()
            tx.nodes.put_agent(replace(agent, heartbeat_at=now))
            tx.runs.wake(node.uuid)
            return True

    # -- what steps ask ----------------------------------------------------------------------------

    def expect(self, node: Node) -> None:
        """From now on the machine boots the ramdisk, and the agent of an earlier boot is nobody."""
        with self._store.write() as tx:
            tx.nodes.drop_agent(node.uuid)
            tx.secrets.drop(node.uuid, TOKEN)
            tx.nodes.update(node.uuid, next_boot=NextBoot.RAMDISK)

    def forget(self, node: Node) -> None:
        """From now on the machine boots what it is for, its disk or its host's ramdisk, and no agent acts."""
        with self._store.write() as tx:
            instance = tx.nodes.get(node.uuid).instance
            own = NextBoot.HOST if instance and instance.in_memory else NextBoot.DISK
            tx.nodes.drop_agent(node.uuid)
            tx.secrets.drop(node.uuid, TOKEN)
            tx.nodes.update(node.uuid, next_boot=own)

    def agent(self, node: Node) -> Agent | None:
        """The agent that called home in this boot of the ramdisk, once it is ready for commands."""
        with self._store.read() as tx:
            agent = tx.nodes.agent(node.uuid)
        return agent if agent and agent.heartbeat_at else None

    def idle(self, node: Node) -> bool:
        """Whether the ramdisk runs now and can be worked with, proven by an answer under our token.

        An agent whose report got lost, or that is still busy for a run that has ended, is to be booted anew.
        """
        agent = self.agent(node)
        if agent is None or agent.report is None:
            return False
        try:
            return not any(command.running for command in self.client(node).commands())
        except AgentError:
            return False

    def client(self, node: Node) -> AgentClient:
        """A client for the node's agent; raises AgentUnreachable when there is none."""
        with self._store.read() as tx:
            agent = tx.nodes.agent(node.uuid)
            token = tx.secrets.find(node.uuid, TOKEN)
        if agent is None or agent.url is None or token is None:
            raise AgentUnreachable(f"node '{node.name}' runs no ramdisk that called home")
        return self._connect(agent, token)

    def once(self, walk: Walk, name: str, params: Callable[[], dict[str, Any]]) -> Command:
        """Have a command executed once in this step, however often the step is executed.

        The commands that the agent knew before are written down first. After a crash of the seed the agent
        is asked what it was told since, instead of being told again.
        """
        client = self.client(walk.node)
        known: list[str] | None = walk.memo.get(f"before {name}")
        so_far = client.commands()
        if known is not None:
            ours = [c for c in so_far if c.name.split(".")[-1] == name.split(".")[-1] and c.id not in known]
            if ours:
                return ours[-1]
        order = params()
        walk.remember(**{f"before {name}": [command.id for command in so_far]})
        return client.start(name, order)
