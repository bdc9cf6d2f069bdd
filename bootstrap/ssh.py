"""SSH to hosts, verified: the seed made their host keys, so a first connection trusts nobody blindly."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class SSHFailed(RuntimeError):
    """A command on a host failed; the message names the host and has the end of its words."""


@dataclass(frozen=True)
class SSH:
    """A way to a few hosts by node name, valid while its known_hosts file exists."""

    hosts: dict[str, str]
    user: str
    identity: Path | None
    known_hosts: Path

    @classmethod
    @contextmanager
    def to_nodes(cls, nodes: list[dict[str, Any]], *, user: str, identity: Path | None) -> Iterator[SSH]:
        """`nodes` as the API shows them; raises SSHFailed for one that has no host with an address."""
        hosts, keys = {}, []
        for node in nodes:
            instance = node["instance"]
            if not instance or not instance["address"]:
                raise SSHFailed(
                    f"node '{node['name']}' ({node['state']}) has no host with a declared address"
                )
            if not instance["ssh_host_key"]:
                raise SSHFailed(
                    f"node '{node['name']}' was adopted, so its SSH host key is not known and cannot be "
                    f"verified here: use ssh itself, with {instance['address']}"
                )
            hosts[node["name"]] = instance["address"]
            keys.append(f"{instance['address']} {instance['ssh_host_key']}\n")
        with tempfile.TemporaryDirectory(prefix="undercloud-ssh-") as directory:
            known_hosts = Path(directory) / "known_hosts"
            known_hosts.write_text("".join(keys))
            yield cls(hosts, user, identity, known_hosts)

    def options(self) -> list[str]:
        """What every ssh to these hosts is told."""
        options = [
            f"UserKnownHostsFile={self.known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "ConnectTimeout=30",
            "ServerAliveInterval=15",
            # One log-in serves all commands to a host: key exchange and PAM cost seconds on a slow CPU.
            "ControlMaster=auto",
            f"ControlPath={self.known_hosts.parent}/%C",
            "ControlPersist=30",
        ]
        identity = ["-i", str(self.identity), "-o", "IdentitiesOnly=yes"] if self.identity else []
        return [*(word for option in options for word in ("-o", option)), *identity]

    def argv(self, node: str) -> list[str]:
        """The ssh command line to the node's host."""
        return ["ssh", *self.options(), f"{self.user}@{self.hosts[node]}"]

    def run(self, node: str, script: str, *, stdin: bytes | None = None, timeout: float = 600) -> str:
        """Run a shell script as root on the node's host and return what it printed; raises SSHFailed."""
        command = [*self.argv(node), f"sudo -n sh -euc {shlex.quote(script)}"]
        try:
            done = subprocess.run(
                command, input=stdin or b"", capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise SSHFailed(f"{node}: not done after {timeout:.0f} s: {script.splitlines()[0]}") from None
        if done.returncode != 0:
            words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-5:]
            raise SSHFailed(f"{node}: exit code {done.returncode}: {'; '.join(words)}")
        return done.stdout.decode(errors="replace")
