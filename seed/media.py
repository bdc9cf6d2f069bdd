"""The boot ISOs of nodes: offered under an address that only the node's BMC is told, until it has booted.

An ISO tells a machine nothing that is secret: where the seed is, and its own network. Its address cannot be
guessed all the same: which machines are about to boot a ramdisk is nobody else's business.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwdrivers.credentials import Secret
from pxe.images import ImageError
from pxe.media import boot_iso
from pxe.media.boot_iso import BootISO
from pxe.media.own_part import content, own_part
from pxe.process import ProcessError
from seed.images import Images
from seed.model import Node
from seed.store import Store, Transaction
from seed.store.errors import NotFound

OFFERED = "boot-media"  # the name under which an offer's token is kept: "TOKEN FINGERPRINT"
KEPT = 2  # ISOs of ramdisks: the present one, and the one that machines may be reading still


@dataclass(frozen=True)
class Told:
    """What a node's ISO tells its machine: kernel arguments, and network_data.json where DHCP does not."""

    arguments: tuple[str, ...]
    network: dict[str, Any] | None


@dataclass(frozen=True)
class Offer:
    """One node's ISO as its BMC reads it."""

    iso: BootISO
    own: dict[str, bytes]

    def content(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end)."""
        return content(self.iso, self.own, start, end)


class BootMedia:
    """Offers ISOs over HTTP; nothing is written for a node, only one ISO for a ramdisk."""

    def __init__(
        self, store: Store, images: Images, tell: Callable[[Node], Told], folder: Path, base_url: str
    ) -> None:
        """`tell`: what a node's ISO says; `base_url`: the seed's as BMCs reach it."""
        self._store = store
        self._images = images
        self._tell = tell
        self._folder = folder
        self._base_url = base_url
        self._building = threading.Lock()
        self._loaded: dict[str, BootISO] = {}
        self._fetched: dict[str, str] = {}
        # What is read in a thousand pieces is rendered once, and does not change meanwhile.
        self._read: dict[str, tuple[str, Offer]] = {}

    def offer(self, node: Node) -> str:
        """The URL of the node's ISO from now on, in place of an earlier one; raises ImageError."""
        token, (name, _) = secrets.token_urlsafe(16), self._present()
        with self._store.write() as tx:
            tx.secrets.put(node.uuid, OFFERED, Secret(f"{token} {name}"))
        return self._url(node.uuid, token)

    def url(self, node: Node) -> str | None:
        """What is offered to the node's BMC now."""
        with self._store.read() as tx:
            return self._url_of(tx, node.uuid)

    def withdraw(self, node: Node, url: str) -> None:
        """From now on that is not offered any more."""
        with self._store.write() as tx:
            if self._url_of(tx, node.uuid) != url:  # a run has offered a new one meanwhile
                return
            tx.secrets.drop(node.uuid, OFFERED)
        self._fetched.pop(node.uuid, None)
        self._read.pop(node.uuid, None)

    def left(self) -> list[tuple[Node, str]]:
        """Nodes to which an ISO is offered although no run is under way that could boot it, with its URL."""
        with self._store.read() as tx:
            offered = tx.secrets.scopes(OFFERED)
            live = tx.runs.live_on(offered)
            nodes = [node for node in tx.nodes.many(offered).values() if node.uuid not in live]
            urls = [self._url_of(tx, node.uuid) for node in nodes]
        return [(node, url) for node, url in zip(nodes, urls, strict=True) if url]

    def read(self, node_uuid: str, token: str) -> Offer:
        """What is offered at that address; raises NotFound."""
        with self._store.read() as tx:
            valid, name = _offered(tx, node_uuid)
        if not valid or not secrets.compare_digest(valid.encode(), token.encode()):
            raise NotFound("no such ISO is offered")
        if (known := self._read.get(node_uuid)) and known[0] == token:
            return known[1]
        offer = self._offer_of(node_uuid, name)
        self._read[node_uuid] = token, offer
        return offer

    def over_http(self, node_uuid: str) -> Offer:
        """The same ISO for the node's own firmware, whose HTTP boot takes it; raises NotFound, ImageError."""
        with self._store.read() as tx:
            node = tx.nodes.get(node_uuid)
        told = self._tell(node)
        return Offer(self._present()[1], own_part(node.name, told.arguments, told.network))

    def fetched(self, node_uuid: str, token: str, by: str) -> None:
        """Journal that a BMC reads an ISO, once for each offer: it may come for it a thousand times."""
        if self._fetched.get(node_uuid) == token:
            return
        self._fetched[node_uuid] = token
        with self._store.write() as tx:
            tx.events.add("boot.media-fetched", f"its boot ISO is fetched by {by}", node=node_uuid, by=by)

    def _offer_of(self, node_uuid: str, name: str) -> Offer:
        with self._store.read() as tx:
            node = tx.nodes.get(node_uuid)
        told = self._tell(node)
        return Offer(self._iso(name), own_part(node.name, told.arguments, told.network))

    def _url(self, node_uuid: str, token: str) -> str:
        # Some BMCs take only what ends in .iso, and none of them long queries.
        return f"{self._base_url}/media/{node_uuid}/{token}.iso"

    def _url_of(self, tx: Transaction, node_uuid: str) -> str | None:
        token, _ = _offered(tx, node_uuid)
        return self._url(node_uuid, token) if token else None

    # -- one ISO for each ramdisk --------------------------------------------------------------------

    def _present(self) -> tuple[str, BootISO]:
        """The name and the ISO of the ramdisk that the configuration names; made where it is not there."""
        try:
            ramdisk = self._images.ramdisk()
            name = boot_iso.fingerprint(ramdisk)
            with self._building:
                path = self._path(name)
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    boot_iso.build(ramdisk, path)
                    self._tidy()
                return name, self._load(name)
        except ProcessError as error:
            raise ImageError(f"no boot ISO can be made: {error}") from error

    def _load(self, name: str) -> BootISO:
        """One that is there; the caller holds the lock."""
        if name not in self._loaded:
            self._loaded[name] = boot_iso.load(self._path(name))
        return self._loaded[name]

    def _iso(self, name: str) -> BootISO:
        """The ISO of that name, which another seed may have offered; raises NotFound, ImageError."""
        with self._building:
            if self._path(name).exists():
                return self._load(name)
        present, iso = self._present()
        if present != name:
            raise NotFound("it was made of a ramdisk that this seed does not have")
        return iso

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.iso"

    def _tidy(self) -> None:
        there = sorted(self._folder.glob("*.iso"), key=lambda path: path.stat().st_mtime)
        for path in there[:-KEPT]:
            path.unlink()
            self._loaded.pop(path.stem, None)


def _offered(tx: Transaction, node_uuid: str) -> tuple[str, str]:
    """Token, and the name of the ISO; "" where nothing is offered."""
    found = tx.secrets.find(node_uuid, OFFERED)
    token, _, name = (found.reveal() if found else "").partition(" ")
    return token, name
