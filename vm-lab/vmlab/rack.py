"""A rack: its name, where its state lies, and the topology it was built from."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from vmlab import yaml_file
from vmlab.errors import LabError
from vmlab.topology import Machine, Topology

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Rack:
    """One rack's name and folder; everything it owns is below `path` or inside its network namespace."""

    name: str
    path: Path

    @property
    def namespace(self) -> str:
        """The network namespace: two checkouts may each have a rack of the same name."""
        return f"uc-{self.name}-{hashlib.sha256(str(self.path).encode()).hexdigest()[:4]}"

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def saved(self) -> Path:
        return self.path / "topology.yaml"

    @property
    def config(self) -> Path:
        """The configuration of the seed in this rack."""
        return self.path / "undercloud.yaml"

    @property
    def ssh_key(self) -> Path:
        """The private key that hosts of this rack let in."""
        return self.path / "ssh" / "id_ed25519"

    def environment(self) -> dict[str, str]:
        """What makes `undercloud`, typed inside the rack, speak with this rack's seed and hosts."""
        tools = Path(sys.prefix) / "bin"
        return {
            **os.environ,
            "PATH": f"{tools}:{os.environ.get('PATH', os.defpath)}",
            "UNDERCLOUD_CONFIG": str(self.config),
            "UNDERCLOUD_SSH_KEY": str(self.ssh_key),
        }

    def console(self, machine: str) -> Path:
        return self.logs / f"console-{machine}.log"

    def disk(self, serial: str) -> Path:
        return self.path / "disks" / f"{serial}.raw"

    @property
    def media(self) -> Path:
        """Images that BMCs have inserted."""
        return self.path / "media"

    def save(self, topology: Topology) -> None:
        text = yaml.safe_dump(topology.model_dump(mode="json"), sort_keys=False)
        write_secret(self.saved, text)

    def topology(self) -> Topology:
        """What the rack was built from; a rack that was never brought up is a `LabError`."""
        if not self.saved.exists():
            raise LabError(
                f"there is no rack {self.name}", do=f"Bring it up: undercloud lab up --name {self.name}"
            )
        return yaml_file.load(self.saved, Topology)

    def machine(self, name: str) -> Machine:
        machines = {machine.name: machine for machine in self.topology().machines}
        if name not in machines:
            raise LabError(f"rack {self.name} has no machine {name}; it has {', '.join(machines)}")
        return machines[name]


def racks_folder() -> Path:
    """The folder of all racks; `UNDERCLOUD_LAB_DIR` moves it."""
    lab = os.environ.get("UNDERCLOUD_LAB_DIR")
    return (Path(lab).absolute() if lab else REPOSITORY / ".lab") / "racks"


def locate(name: str) -> Rack:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise LabError(f"{name!r} is no name for a rack", do="Use small letters, digits and hyphens.")
    return Rack(name=name, path=racks_folder() / name)


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)
