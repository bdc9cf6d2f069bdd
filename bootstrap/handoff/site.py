"""Hand all hosts of a site over: each gets its role, all get into one inventory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bootstrap.handoff import ansible
from bootstrap.handoff.carry import put
from bootstrap.handoff.host import HandoffFailed, Host, RoleHandoff
from bootstrap.ssh import SSH, SSHFailed

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one host: `evidence` is what was seen when its role was checked."""

    host: Host
    evidence: str | None = None
    error: str | None = None


class Site:
    """The hosts, the roles that they get, and where the artefacts are written."""

    def __init__(self, hosts: tuple[Host, ...], roles: Iterable[RoleHandoff], ssh: SSH, output: Path) -> None:
        self._hosts = hosts
        self._roles = {role.role: role for role in roles}
        self._ssh = ssh
        self._output = output

    def hand_over(self, say: Say) -> list[Outcome]:
        """Give every host its role, several at a time; one that fails does not stop the others."""
        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(lambda host: self._one(host, say), self._hosts))
        record = [
            {
                "host": o.host.name,
                "address": o.host.address,
                "role": o.host.role,
                "evidence": o.evidence,
                "error": o.error,
            }
            for o in outcomes
        ]
        (self._output / "handoff.json").write_text(json.dumps(record, indent=2) + "\n")
        return outcomes

    def inventory(self) -> Path:
        """Write the Ansible inventory with the host keys beside it."""
        known_hosts = self._output / "known_hosts"
        known_hosts.write_text(self._ssh.known_hosts.read_text())
        path = self._output / "inventory.yaml"
        identity = self._ssh.identity.absolute() if self._ssh.identity else None
        path.write_text(
            ansible.render(self._hosts, user=self._ssh.user, known_hosts=known_hosts, identity=identity)
        )
        return path

    def _one(self, host: Host, say: Say) -> Outcome:
        try:
            self._is_itself(host)
            role = self._roles.get(host.role) if host.role else None
            if role is None:
                return Outcome(host, "reachable; no role is declared")
            say(f"{host.name}: becomes {host.role}")
            changed = put(self._ssh, host.name, role.files(host))
            role.activate(host, self._ssh, changed=changed)
            evidence = role.check(host, self._ssh)
        except (HandoffFailed, SSHFailed) as error:
            say(f"{host.name}: {error}")
            return Outcome(host, error=str(error))
        say(f"{host.name}: {evidence}")
        return Outcome(host, evidence)

    def _is_itself(self, host: Host) -> None:
        """The host that answers has the declared name: facts as observed, not as declared."""
        name = self._ssh.run(host.name, "hostname").strip()
        if name != host.hostname:
            raise HandoffFailed(f"{host.name}: the host calls itself '{name}', declared is '{host.hostname}'")
