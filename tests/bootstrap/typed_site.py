"""A machine with a network of its own, on which the command is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import namespaces
from namespaces import Cable

BRIDGE = "br-prov"
ADDRESS = "198.51.100.1"


@dataclass(frozen=True)
class Site:
    """A machine with a bridge, and where its seed keeps everything."""

    cable: Cable
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "undercloud.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def argv(self, *words: str) -> list[str]:
        command = [sys.executable, "-m", "bootstrap", "--config", str(self.config), *words]
        return self.cable.argv(*command)

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def does(self, *words: str) -> str:
        done = self.types(*words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def refused(self, *words: str) -> str:
        done = self.types(*words)
        lines = done.stderr.splitlines()
        assert done.returncode == 1 and len(lines) == 1 and lines[0].startswith("error: "), done.stderr
        return lines[0].removeprefix("error: ")

    def init(self, *words: str) -> tuple[str, ...]:
        paths = {"state": self.state, "images": self.folder / "images"}
        options = ("--state-dir", str(paths["state"]), "--images-dir", str(paths["images"]))
        return ("init", "--yes", *options, "--socket", str(self.folder / "seed.sock"), *words)

    def seed(self) -> int | None:
        done = self.types("seed", "status", "-o", "json")
        number: int | None = json.loads(done.stdout)["pid"]
        assert done.returncode == (0 if number else 1)
        return number

    def processes(self) -> dict[int, str]:
        """Everything that runs with a path of this site on its command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                argv = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(self.folder) in argv:
                found[int(folder.name)] = argv
        return found

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    with namespaces.cable() as cable:
        lines = (
            f"link add {BRIDGE} type bridge\naddress add {ADDRESS}/24 dev {BRIDGE}\nlink set {BRIDGE} up\n"
        )
        subprocess.run(cable.argv("ip", "-batch", "-"), input=lines, text=True, check=True)
        yield Site(cable, folder)
