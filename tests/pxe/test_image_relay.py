"""Machines pass an image on while it still comes: chains of them, and what happens when one breaks off."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from breaking_server import Shelf, serving

from pxe.build.agent.download import Download
from pxe.build.agent.order import NotWritten
from pxe.build.agent.relay import Relay

CONTENT = b"".join(hashlib.sha512(number.to_bytes(4, "big")).digest() for number in range(40_000))
SHA512 = hashlib.sha512(CONTENT).hexdigest()
BLOCK = 64 * 1024


@contextmanager
def passing_on(path: Path) -> Iterator[tuple[Relay, str]]:
    """A machine's relay on loopback, and the URL that the next one is told."""
    with Relay(path, len(CONTENT), SHA512, ("127.0.0.1", 0)) as relay:
        yield relay, f"http://127.0.0.1:{relay.port}{relay.url_path}"


def fetch(urls: list[str], into: Relay) -> None:
    """Download and pass on."""
    download, block = Download(urls, len(CONTENT), relay=into), memoryview(bytearray(BLOCK))
    while download.readinto(block):
        pass
    download.check(SHA512)
    download.close()


def test_a_chain_of_machines_takes_the_image_from_the_seed_once(tmp_path: Path) -> None:
    shelf = Shelf({"/image": CONTENT})
    with (
        serving(shelf),
        passing_on(tmp_path / "a") as (first, to_first),
        passing_on(tmp_path / "b") as (second, to_second),
        passing_on(tmp_path / "c") as (third, _),
    ):
        seed = f"{shelf.url}/image"
        machines = [([seed], first), ([to_first, seed], second), ([to_second, seed], third)]
        # The last one asks first: each waits for the bytes that the one before it does not have yet.
        threads = [threading.Thread(target=fetch, args=each) for each in reversed(machines)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [(tmp_path / name).read_bytes() for name in "abc"] == [CONTENT] * 3
    assert shelf.asked == [None]


def test_the_rest_comes_from_the_seed_when_the_machine_before_breaks_off(tmp_path: Path) -> None:
    half = 20 * BLOCK
    broken = Shelf({f"/image/{SHA512}": CONTENT}, breaks=[half])
    seed = Shelf({"/image": CONTENT})
    with serving(broken), serving(seed), passing_on(tmp_path / "a") as (relay, _):
        fetch([f"{broken.url}/image/{SHA512}", f"{seed.url}/image"], relay)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert seed.asked == [f"bytes={half}-"]


def test_a_machine_that_has_another_image_sends_to_the_seed(tmp_path: Path) -> None:
    seed = Shelf({"/image": CONTENT})
    with serving(seed), passing_on(tmp_path / "a") as (_, url), passing_on(tmp_path / "b") as (relay, _):
        fetch([url.replace(SHA512, "0" * 128), f"{seed.url}/image"], relay)
    assert (tmp_path / "b").read_bytes() == CONTENT


def test_a_machine_that_lost_its_source_asks_the_next_one_for_the_rest(tmp_path: Path) -> None:
    seed = Shelf({"/image": CONTENT})
    with serving(seed), passing_on(tmp_path / "a") as (first, url):
        fetch([f"{seed.url}/image"], first)
        download = Download([url], len(CONTENT))
        download.count = 10 * BLOCK
        rest = download.read(len(CONTENT))
    assert rest == CONTENT[10 * BLOCK :]


def test_bytes_that_were_changed_on_the_way_are_found(tmp_path: Path) -> None:
    liar = Shelf({f"/image/{SHA512}": CONTENT[:-1] + b"!"})
    with serving(liar), passing_on(tmp_path / "a") as (relay, _), pytest.raises(NotWritten, match="checksum"):
        fetch([f"{liar.url}/image/{SHA512}"], relay)
