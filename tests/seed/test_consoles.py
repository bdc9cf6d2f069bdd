"""Serial consoles: shared by all who read along, captured while a run is under way, and of no harm to it."""

from __future__ import annotations

import base64
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from seed_machine import Machine
from seed_world import World

from hwdrivers.errors import Busy, Unsupported
from hwdrivers.fake import FakeBMC
from hwdrivers.interfaces import Interface
from seed.capture_files import DROPPED, CaptureFile
from seed.consoles import Consoles
from seed.model import Node, Run

CONSOLE = {"console": {"supported": True, "detail": ""}}


class Ear:
    """Who reads along."""

    def __init__(self) -> None:
        self.heard = b""
        self.why = ""
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()

    def hear(self, data: bytes) -> None:
        self.heard += data
        self._news.put(None)

    def end(self, why: str) -> None:
        self.why = why
        self._news.put(None)

    def until(self, what: Callable[[], bool]) -> None:
        while not what():
            self._news.get(timeout=20)


def inspecting(world: World) -> Node:
    """A run is under way, and its machine boots."""
    world.at("manageable", abilities=CONSOLE)
    world.machines[0].hangs = True
    assert world.ask("inspect").status_code == 202
    world.conductor.run_until_idle()
    return world.node()


@contextmanager
def capturing(world: World) -> Iterator[list[threading.Thread]]:
    """The captures' threads, as they are begun by looks."""
    threads: list[threading.Thread] = []
    yield threads
    for capture in [*world.captures._under_way.values()]:
        capture.end("the test ends")
    for thread in threads:
        thread.join(20)


def look(world: World, threads: list[threading.Thread]) -> None:
    def begin(run: Run, node: Node) -> None:
        threads.append(threading.Thread(target=world.captures.capture, args=(run, node)))
        threads[-1].start()

    world.captures.look(begin)


def opened(bmc: FakeBMC, times: int) -> None:
    """Wait until its console was opened so often."""
    pause = threading.Event()
    while bmc.console.opened < times:  # type: ignore[union-attr]
        pause.wait(0.01)


def captured(world: World, run: int = 1) -> bytes:
    answer = world.operator.get(f"/nodes/node-1/console/captured/{run}")
    assert answer.status_code == 200, answer.text
    return base64.b64decode(answer.json()["data"])


def holds(world: World, data: bytes) -> None:
    """Wait until the capture has it."""
    pause = threading.Event()
    place = world.folder / "consoles" / world.node().uuid / "1.log"
    while not place.exists() or data not in place.read_bytes():
        pause.wait(0.01)


def test_one_session_serves_all_and_ends_with_the_last(world: World) -> None:
    world.at("active")
    bmc, consoles, node = world.machines[0].bmc, Consoles(world.bmcs), world.node()
    one, other = Ear(), Ear()
    with consoles.joined(node, one):
        bmc.console.say(b"login: ")
        one.until(lambda: one.heard == b"login: ")
        with consoles.joined(node, other):
            assert other.heard == b"login: "  # what was said last
            consoles.type(node, b"root\r")
            bmc.console.say(b"root\r\n")
            for ear in (one, other):
                ear.until(lambda ear=ear: ear.heard == b"login: root\r\n")  # type: ignore[misc]
    assert (bmc.console.opened, bmc.console.typed) == (1, b"root\r")
    again = Ear()
    with consoles.joined(node, again):
        assert again.heard == b""
        assert bmc.console.opened == 2


def test_who_cannot_have_it_is_told_why(make_world: Callable[..., World]) -> None:
    world = make_world(
        Machine(1),
        Machine(2, bmc=lambda address, **more: FakeBMC(address, lacks=[Interface.CONSOLE], **more)),  # type: ignore[arg-type]
    )
    consoles = Consoles(world.bmcs)
    for machine in world.machines:
        world.at("active", machine)
    world.machines[0].bmc.console.is_taken = True
    with pytest.raises(Busy, match="somebody has it open"), consoles.joined(world.node(), Ear()):
        pass
    second = world.node(world.machines[1])
    with pytest.raises(Unsupported, match="IPMI has no console"), consoles.joined(second, Ear()):
        pass
    answer = world.operator.post("/nodes/node-1/console/typed", json={"data": "eA=="})
    assert (answer.status_code, "nobody has its console open" in answer.text) == (409, True)


def test_a_console_that_ends_says_why_to_all(world: World) -> None:
    world.at("active")
    ear = Ear()
    with Consoles(world.bmcs).joined(world.node(), ear):
        world.machines[0].bmc.console.lose("the BMC restarts")
        ear.until(lambda: bool(ear.why))
        assert "the BMC restarts" in ear.why


def test_a_run_is_captured_for_its_owner_alone(world: World) -> None:
    node, bmc = inspecting(world), world.machines[0].bmc
    with capturing(world) as threads:
        look(world, threads)
        bmc.console.say(b"Linux version 6.1\r\n")
        holds(world, b"Linux version 6.1\r\n")
        look(world, threads)
        assert len(threads) == 1
        file = world.folder / "consoles" / node.uuid / "1.log"
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        world.machines[0].hangs = False
        world.settle()
        assert world.runs()[-1].state.value == "done"
        look(world, threads)  # the run has ended
        threads[0].join(20)
        assert not threads[0].is_alive()
    assert bmc.console.stream.ended is not None
    assert captured(world) == b"Linux version 6.1\r\n"
    rows = world.operator.get("/nodes/node-1/console/captured").json()
    assert rows == [{"run": 1, "size": 19, "verb": "inspect"}]
    missing = world.operator.get("/nodes/node-1/console/captured/7")
    assert (missing.status_code, "there is something of 1" in missing.text) == (404, True)


def test_a_console_that_is_lost_or_refused_hurts_no_run(world: World) -> None:
    inspecting(world)
    bmc = world.machines[0].bmc
    bmc.console.is_taken = True
    with capturing(world) as threads:
        look(world, threads)
        threads[-1].join(20)
        bmc.console.is_taken = False
        look(world, threads)
        assert len(threads) == 1  # it is not asked at once again
        world.pass_time(seconds=10)
        look(world, threads)
        opened(bmc, 1)
        bmc.console.say(b"before\r\n")
        holds(world, b"before\r\n")
        bmc.console.lose()
        threads[-1].join(20)
        world.pass_time(minutes=5)
        look(world, threads)
        opened(bmc, 2)
        bmc.console.say(b"after\r\n")
        holds(world, b"after\r\n")
        world.machines[0].hangs = False
        world.settle()
    assert world.runs()[-1].state.value == "done"
    assert captured(world) == b"before\r\nafter\r\n"


def test_nobody_asks_a_bmc_that_has_no_console(world: World) -> None:
    world.at("manageable", abilities={"console": {"supported": False, "detail": ""}})
    world.machines[0].hangs = True
    world.ask("inspect")
    world.conductor.run_until_idle()
    with capturing(world) as threads:
        look(world, threads)
        look(world, threads)
    assert (threads, world.machines[0].bmc.console.opened) == ([], 0)


def test_only_one_of_several_seeds_captures(world: World) -> None:
    inspecting(world)
    first = world.captures
    with capturing(world) as threads:
        look(world, threads)
        opened(world.machines[0].bmc, 1)
        world.start(world.fused._fuse, "another")
        look(world, threads)
        assert len(threads) == 1
        world.captures = first


def test_a_capture_is_bounded(tmp_path: Path) -> None:
    file = CaptureFile(tmp_path / "1.log", most=1000)
    for number in range(200):
        file.add(b"line %d\r\n" % number)
    kept = (tmp_path / "1.log").read_bytes()
    assert len(kept) <= 1000
    assert kept.startswith(DROPPED)
    assert kept.endswith(b"line 198\r\nline 199\r\n")
    assert (tmp_path / "1.log").stat().st_mode & 0o777 == 0o600


def test_old_captures_of_a_node_go_first(world: World) -> None:
    def run(number: int) -> Any:
        return type("Run", (), {"id": number, "node": "uuid"})

    for number in range(1, 40):
        world.captured.of(run(number)).add(b"x")
    kept = [each.run for each in world.captured.kept("uuid")]
    assert kept == list(range(10, 40))


def test_a_console_server_is_preferred_and_a_capture_needs_no_other(make_world: Callable[..., World]) -> None:
    world = make_world(
        Machine(1, bmc=lambda address, **more: FakeBMC(address, lacks=[Interface.CONSOLE], **more))  # type: ignore[arg-type]
    )
    with socket.create_server(("127.0.0.1", 0)) as server, capturing(world) as threads:
        server.settimeout(20)
        port = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        world.at("manageable", abilities={"console": {"supported": False, "detail": ""}})
        changed = world.operator.request("PATCH", "/nodes/node-1", json={"console": port})
        assert changed.json()["console"] == port
        world.machines[0].hangs = True
        assert world.ask("inspect").status_code == 202
        world.conductor.run_until_idle()
        look(world, threads)
        machine, _ = server.accept()
        with machine:
            machine.sendall(b"Linux version 6.1\r\n")
            holds(world, b"Linux version 6.1\r\n")
            typed = world.operator.post("/nodes/node-1/console/typed", json={"data": "eA=="})
            assert typed.status_code == 204
            assert machine.recv(1) == b"x"
            world.machines[0].hangs = False
            world.settle()
            look(world, threads)
            assert machine.recv(1) == b""  # it is given back
    assert world.machines[0].bmc.console is None


def test_a_console_server_is_forgotten_and_a_wrong_one_changes_nothing(world: World) -> None:
    world.at("active")

    def change(console: str | None) -> Any:
        return world.operator.request("PATCH", "/nodes/node-1", json={"console": console})

    assert change("telnet://ACS1.rack7").json()["console"] == "telnet://acs1.rack7:23"
    refused = change("telnet://me:hunter2@acs1")
    assert refused.status_code == 422
    assert "write tcp://HOST:PORT" in refused.text
    assert world.node().console == "telnet://acs1.rack7:23"
    assert change(None).json()["console"] is None
    assert world.node().name == "node-1"


def test_telling_lines_of_a_captured_console_are_journaled(world: World) -> None:
    node, bmc = inspecting(world), world.machines[0].bmc
    with capturing(world) as threads:
        look(world, threads)
        bmc.console.say(b"[    3.3] Kernel panic - not sync")
        bmc.console.say(b"ing: Attempted to kill init!\r\n[    3.4] Kernel Offset: disabled\r\n")
        holds(world, b"disabled\r\n")
        world.machines[0].hangs = False
        world.settle()
        look(world, threads)  # the run has ended, and the capture tells what it heard before that
        threads[0].join(20)
    with world.store.read() as tx:
        signs = tx.events.after(0, node=node.uuid, kind="boot.console")
    line = "Kernel panic - not syncing: Attempted to kill init!"
    assert [(sign.run, sign.message, sign.data) for sign in signs] == [
        (1, f"console: {line}", {"sign": "kernel-panic", "line": line})
    ]
