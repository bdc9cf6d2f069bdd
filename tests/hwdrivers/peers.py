"""Real network peers of the drivers, each in a process of its own, ended with the test that made it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint
from hwdrivers.credentials import Credentials, Secret

HERE = Path(__file__).parent
PASSWORD = "correct-horse"


def endpoint(address: str, password: str = PASSWORD, username: str = "admin", **more: Any) -> Endpoint:
    return Endpoint(BMCAddress.parse(address), Credentials(username, Secret(password), **more))


class Peer:
    """A process that prints its port and answers a line with its state."""

    def __init__(self, scheme: str, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())
        self.address = f"{scheme}://127.0.0.1:{self.port}"

    def state(self) -> dict[str, Any]:
        stdin: IO[str] | None = self._process.stdin
        assert stdin is not None
        stdin.write("\n")
        stdin.flush()
        state: dict[str, Any] = json.loads(self._line())
        return state

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def running(scheme: str, script: str, wishes: dict[str, Any]) -> Iterator[Peer]:
    command = [sys.executable, str(HERE / script), json.dumps(wishes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Peer(scheme, process)
        finally:
            process.kill()


def ipmi_peer(
    *,
    identity: bool = False,
    codes: dict[str, int] | None = None,
    answers: dict[str, list[int]] | None = None,
    faults: tuple[str, ...] = (),
) -> Any:
    wishes = {
        "password": PASSWORD,
        "identity": identity,
        "codes": codes or {},
        "answers": answers or {},
        "faults": faults,
    }
    return running("ipmi", "ipmi_peer.py", wishes)


def virtualbmc_peer(*, faults: tuple[str, ...] = ()) -> Any:
    return running("ipmi", "virtualbmc_peer.py", {"password": PASSWORD, "faults": faults})


def ipmi_sim_peer(
    folder: Path, *, serial: int | None = None, lose: int = 0, faults: tuple[str, ...] = ()
) -> Any:
    """`serial`: TCP port of a server that plays the serial port; `lose`: each so manieth console packet."""
    wishes = {"password": PASSWORD, "folder": str(folder), "serial": serial, "lose": lose, "faults": faults}
    return running("ipmi", "ipmi_sim_peer.py", wishes)


def sushy_tools_peer(
    folder: Path, *, systems: int = 1, tls: tuple[Path, Path] | None = None, faults: tuple[str, ...] = ()
) -> Any:
    wishes = {
        "password": PASSWORD,
        "folder": str(folder),
        "systems": systems,
        "tls": [str(path) for path in tls] if tls else None,
        "faults": faults,
    }
    return running("redfish+https" if tls else "redfish+http", "sushy_tools_peer.py", wishes)


def tree_peer(
    tree: str,
    answers: Mapping[str, tuple[Any, ...]] | None = None,
    *,
    more: Mapping[str, dict[str, Any]] | None = None,
    faults: tuple[str, ...] = (),
) -> Any:
    """Serve `tests/data/hwdrivers/<tree>.json` and what is in `more`.

    `answers`: {"METHOD path": (status, body[, headers[, how often]])} instead.
    """
    path = HERE.parent / "data" / "hwdrivers" / f"{tree}.json"
    wishes = {
        "password": PASSWORD,
        "tree": str(path),
        "answers": answers or {},
        "more": more or {},
        "faults": faults,
    }
    return running("redfish+http", "tree_peer.py", wishes)
