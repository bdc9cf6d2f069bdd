"""Turn the deploy ramdisk into a rescue system: a user `rescue`, and ssh."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta

from seed.agent import AgentUnreachable
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Waiting, Walk
from seed.store import Store
from seed.verbs import RESCUE_PASSWORD

SSH_PORT = 22


def answers_ssh(address: str) -> bool:
    """Whether an SSH server greets at `address` (RFC 4253, 4.2)."""
    try:
        with socket.create_connection((address, SSH_PORT), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


class FinalizeRescue:
    """'rescue' means that ssh answers. The agent ends when it was told, so its silence may mean success."""

    name = "finalize_rescue"
    timeout = timedelta(minutes=5)
    abortable = True
    needs: str | None = None

    def __init__(self, store: Store, ramdisk: Ramdisk, answers: Callable[[str], bool] = answers_ssh) -> None:
        self._store = store
        self._ramdisk = ramdisk
        self._answers = answers

    def execute(self, walk: Walk) -> Result:
        agent = self._ramdisk.agent(walk.node)
        if agent is None:
            return Failed("the agent is gone; ask for the verb again")
        if "before rescue.finalize_rescue" in walk.memo and self._answers(agent.address):
            with self._store.write() as tx:
                tx.secrets.drop(walk.node.uuid, RESCUE_PASSWORD)
            return Complete(f"ssh rescue@{agent.address} answers")
        try:
            command = self._ramdisk.once(walk, "rescue.finalize_rescue", lambda: self._order(walk))
        except AgentUnreachable:
            if "before rescue.finalize_rescue" not in walk.memo:
                raise
            return Waiting("ssh of the rescue system", timedelta(seconds=5))
        if not (command.succeeded or command.running):
            return Failed(f"the agent failed at finalize_rescue: {command.error or command.status}")
        return Waiting("ssh of the rescue system", timedelta(seconds=5))

    def _order(self, walk: Walk) -> dict[str, object]:
        with self._store.read() as tx:
            hashed = tx.secrets.get(walk.node.uuid, RESCUE_PASSWORD)
        return {"rescue_password": hashed.reveal(), "hashed": True}
