"""A simulated fleet in a process of its own, and its control."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

from vmlab.errors import LabError
from vmlab.simulator import addresses
from vmlab.simulator.settings import Settings

# Seconds; the simulator answers its control between two packets.
_PATIENCE = 60.0


class Control:
    """Talks to a simulator that runs, through its control socket. Raises LabError."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            do = "Start one: undercloud lab simulate --help"
            raise LabError(f"no simulator at {path}: {error.strerror}", do=do) from None
        self._lines = self._socket.makefile("rw")

    def ask(self, do: str, **more: Any) -> Any:
        self._lines.write(json.dumps({"do": do, **more}) + "\n")
        self._lines.flush()
        told = json.loads(self._lines.readline() or '{"error": "the simulator has ended"}')
        if "error" in told:
            raise LabError(told["error"])
        return told["answer"]

    def fault(self, fault: str, where: str = "") -> None:
        """`fault`: KIND or KIND=VALUE as in faults.py; `where`: addresses, else everywhere."""
        self.ask("fault", fault=f"{fault}:{where}" if where else fault)

    def clear(self, kind: str | None = None, where: str | None = None) -> None:
        """Ends faults, and what they left behind: locked accounts, a BMC that reboots."""
        self.ask("clear", kind=kind, addresses=where)

    def remembered(self, address: str) -> dict[str, Any]:
        """What was done to one BMC, and how it is now."""
        told: dict[str, Any] = self.ask("remembered", address=address)
        return told

    def totals(self) -> dict[str, Any]:
        told: dict[str, Any] = self.ask("totals")
        return told

    def press_power(self, address: str, on: bool) -> None:
        """Somebody presses the machine's power button."""
        self.ask("press", address=address, power="on" if on else "off")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class Simulation(Control):
    """Starts a simulator; a context manager. `prefix`: a command to run it in, as `ip netns exec NAME`."""

    def __init__(self, settings: Settings, prefix: Sequence[str] = ()) -> None:
        self.settings = settings
        self._folder = tempfile.mkdtemp(prefix="simulator-")
        path = Path(self._folder, "control")
        command = [*prefix, sys.executable, "-m", "vmlab.simulator", str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.serves = self._started()
            super().__init__(path)
        except BaseException:
            self._end()
            raise
        #: Of all BMCs, in order.
        self.addresses = [addresses.text(number) for number in settings.members()]
        #: None: that protocol is not served.
        self.ipmi_port: int | None = self.serves["ipmi_port"]
        self.redfish_port: int | None = self.serves["redfish_port"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def ipmi(self, address: str) -> str:
        return f"ipmi://{address}:{self.ipmi_port}"

    def redfish(self, address: str) -> str:
        scheme = "redfish+https" if self.settings.tls else "redfish+http"
        return f"{scheme}://{address}:{self.redfish_port}"

    def close(self) -> None:
        super().close()
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> dict[str, Any]:
        stdin, stdout = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        stdin.write(self.settings.dumps() + "\n")
        stdin.flush()
        told: dict[str, Any] = json.loads(stdout.readline() or '{"error": "it did not start"}')
        if "error" in told:
            raise LabError(f"simulator: {told['error']}")
        return told

    def _end(self) -> None:
        self._process.kill()  # it has nothing to save
        self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)
