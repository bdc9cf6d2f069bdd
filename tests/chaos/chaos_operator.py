"""An operator at the seeds' local sockets: follows the events, and asks for the next verb of each node."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx

# What is asked of a node that rests in a state, as often as it stands there.
NEXT: Mapping[str, tuple[str, ...]] = {
    "enroll": ("manage",),
    "manageable": ("inspect", "clean", "test", *["provide"] * 4),
    "available": (*["deploy"] * 4, "manage"),
    "active": (*["delete"] * 3, "rebuild", "rebuild", "service", "rescue"),
    "rescue": ("unrescue", "delete"),
}
# What a verb is given.
WITH: Mapping[str, dict[str, Any]] = {
    "clean": {"args": {"steps": [{"step": "erase_devices_metadata"}, {"step": "burnin_memory"}]}},
    "test": {"args": {"steps": [{"step": "burnin_cpu"}, {"step": "burnin_disk"}]}},
    "service": {"args": {"steps": [{"step": "burnin_cpu"}, {"step": "burnin_memory"}]}},
    "rescue": {"secrets": {"rescue-password": "$6$salt$" + "a" * 86}},
}
PAUSE = 0.1  # seconds between two looks at the events


@dataclass(frozen=True)
class Accepted:
    """A run that the seed said it would walk."""

    run: int
    node: str
    verb: str


class Client:
    """Asks whichever seed answers; None: the request or its answer got lost."""

    def __init__(self, sockets: Sequence[Path]) -> None:
        ways = [httpx.HTTPTransport(uds=str(path)) for path in sockets]
        headers = {"X-Undercloud-User": "chaos"}
        self._ways = [
            httpx.Client(transport=way, base_url="http://seed/v1", headers=headers, timeout=20)
            for way in ways
        ]

    def send(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        for way in self._ways:
            try:
                return way.request(method, path, **more)
            except httpx.ConnectError:  # nobody there: ask another one
                continue
            except httpx.TransportError:  # it may have arrived
                return None
        return None

    def ask(self, verb: str, nodes: Sequence[str]) -> list[dict[str, Any]] | None:
        """One row for each node: its run, or why there is none."""
        answer = self.send("POST", f"/verbs/{verb}", json={"nodes": list(nodes), **WITH.get(verb, {})})
        if answer is None:
            return None
        if not answer.is_success:
            raise AssertionError(f"{verb}: {answer.status_code} {answer.text}")
        return list(answer.json())


class Operator:
    """Never asks twice for what may have arrived: after a lost answer it looks first."""

    def __init__(self, sockets: Sequence[Path], random: Random) -> None:
        self.followed: list[dict[str, Any]] = []
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []
        self.lost = 0  # requests without an answer
        self._client = Client(sockets)
        self._random = random
        self._waiting: set[str] = set()  # for the next verb: names, later UUIDs
        self._asking = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="operator", daemon=True)

    def start(self, names: Sequence[str]) -> None:
        """Follow, and ask for verbs of the nodes that are named; without any, only follow."""
        self._waiting, self._asking = set(names), bool(names)
        self._thread.start()

    def ask_no_more(self) -> None:
        self._asking = False

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def catch_up(self) -> None:
        """Read the events to their end."""
        while self._follow():
            pass

    def _work(self) -> None:
        while not self._ended.wait(PAUSE):
            self._follow()
            if self._asking:
                self._ask()

    def _follow(self) -> int:
        """Read what is new; a run that ended makes its node wait for the next verb."""
        after = self.followed[-1]["id"] if self.followed else 0
        answer = self._client.send("GET", "/events", params={"after": after, "limit": 5000})
        new = answer.json() if answer is not None and answer.is_success else []
        self.followed += new
        ended = [event for event in new if event["kind"] in ("run.done", "run.failed", "run.aborted")]
        self._waiting |= {event["node"] for event in ended}
        return len(new)

    def _ask(self) -> None:
        """Ask all nodes for one verb that are to have the same."""
        wanted: dict[str, list[str]] = {}
        for key in sorted(self._waiting):
            seen = self._client.send("GET", f"/nodes/{key}")
            if seen is None or not seen.is_success:
                return
            node = seen.json()
            if node["run"]:
                self._waiting.discard(key)
            else:
                verb = self._random.choice(NEXT.get(node["state"], node["verbs"]))
                wanted.setdefault(verb, []).append(key)
        for verb, keys in wanted.items():
            self._ask_for(verb, keys)

    def _ask_for(self, verb: str, keys: Sequence[str]) -> None:
        rows = self._client.ask(verb, keys)
        self.lost += rows is None
        for row in rows or ():
            if row["error"]:
                self.refused.append(f"{row['node']}: {verb}: {row['error']}")
            elif row["run"]:  # a verb that only moved its node is followed by another one
                self.accepted.append(Accepted(row["run"]["id"], row["run"]["node"], verb))
                self._waiting.discard(row["node"])
