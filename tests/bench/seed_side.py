"""Our side: the no-op seed as a process, its fleet enrolled before it starts, driven as the command does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from noop_seed import configuration
from processes import Session, Usage, running

sys.path.append(str(Path(__file__).parents[1] / "seed"))  # the images that its tests deploy

from seed_world import build_images

from bootstrap.compose import open_store
from bootstrap.key import make
from hwdrivers.address import BMCAddress
from hwdrivers.credentials import Credentials, Secret
from profiles.hosts import Host, Match
from profiles.site import Site
from seed.declarations import new_node

SCRIPT = Path(__file__).with_name("noop_seed.py")


class Seed:
    """A seed that serves, and its fleet."""

    name = "undercloud"

    def __init__(self, folder: Path, nodes: int, session: Session) -> None:
        self.nodes = nodes
        self.session = session
        self._names = [_name(number) for number in range(nodes)]
        transport = httpx.HTTPTransport(uds=str(folder / "seed.sock"))
        self._client = httpx.Client(transport=transport, base_url="http://seed/v1", timeout=600)

    def ask(self, verb: str) -> None:
        rows = self._send("POST", f"/verbs/{verb}", {"nodes": self._names})
        if errors := [row["error"] for row in rows if row["error"]]:
            raise RuntimeError(f"the seed refuses {verb} for {len(errors)} nodes, such as: {errors[0]}")

    def list_nodes(self) -> list[dict[str, Any]]:
        """Every node as the API shows it."""
        return list(self._send("GET", "/nodes"))

    def states(self) -> list[str]:
        return [node["state"] for node in self._send("GET", "/nodes?fields=name,state")]

    def usage(self) -> Usage:
        return self.session.usage()

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, json=body)
        if answer.is_error:
            raise RuntimeError(f"the seed refuses {method} {path}: {answer.text[:500]}")
        return answer.json()


def prepare(folder: Path, nodes: int, *, state: str = "enroll") -> None:
    """Make a store with `nodes` nodes in `state`, and one declared host that fits each of them."""
    config = configuration(folder)
    build_images(config.images_dir)
    make(config.key_file)
    store = open_store(config)
    store.migrate()
    with store.write() as tx:
        tx.credentials.put("rack", Credentials("admin", Secret("unused")))
        tx.documents.put_site(Site(hosts=(Host(match=Match()),)))
        for number in range(nodes):
            node = new_node(BMCAddress.parse(f"ipmi://{_ip(number)}"), "rack", _name(number), (_mac(number),))
            tx.nodes.add(replace(node, state=state))
    store.close()


@contextmanager
def seed(folder: Path, nodes: int, *arguments: str) -> Iterator[Seed]:
    """The seed over what `prepare` made."""
    address = folder / "seed.sock"
    address.unlink(missing_ok=True)
    command = [sys.executable, str(SCRIPT), str(folder), *arguments]
    with running(command, folder / "seed.log", address.exists) as session:
        yield Seed(folder, nodes, session)


def _name(number: int) -> str:
    return f"node-{number:05}"


def _ip(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _mac(number: int) -> str:
    return f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
