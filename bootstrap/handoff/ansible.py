"""The Ansible inventory of the handed-off hosts, checked by ansible-inventory and by a real ping."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from bootstrap.handoff.host import HandoffFailed, Host


def render(hosts: tuple[Host, ...], *, user: str, known_hosts: Path, identity: Path | None) -> str:
    """The inventory: a group for each role, and how to reach each host with its key verified."""
    groups: dict[str, dict[str, Any]] = {}
    for host in hosts:
        group = (host.role.value if host.role else "other").replace("-", "_")  # Ansible refuses '-' in groups
        groups.setdefault(group, {"hosts": {}})["hosts"][host.name] = {"ansible_host": host.address}
    arguments = f"-o UserKnownHostsFile={shlex.quote(str(known_hosts))} -o StrictHostKeyChecking=yes"
    variables: dict[str, str] = {
        "ansible_user": user,
        "ansible_become": "true",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": arguments,
    }
    if identity:
        variables["ansible_ssh_private_key_file"] = str(identity)
    return yaml.safe_dump({"all": {"vars": variables, "children": groups}}, sort_keys=False)


def validate(inventory: Path, hosts: tuple[Host, ...]) -> str:
    """Have ansible-inventory read it, unparsed input set to fail; raises HandoffFailed."""
    listed = json.loads(_run("ansible-inventory", "--inventory", str(inventory), "--list"))
    missing = {host.name for host in hosts} - listed["_meta"]["hostvars"].keys()
    if missing:
        raise HandoffFailed(f"{inventory}: ansible-inventory does not list {', '.join(sorted(missing))}")
    return f"ansible-inventory lists {len(hosts)} hosts"


def ping(inventory: Path, hosts: tuple[Host, ...]) -> str:
    """Run the ping module on `hosts`: log-in, Python and sudo work; raises HandoffFailed."""
    pattern = ",".join(host.name for host in hosts)
    _run("ansible", "--inventory", str(inventory), pattern, "--timeout", "60", "-m", "ping")
    return f"ansible ping succeeds on {len(hosts)}"


def _run(tool: str, *arguments: str) -> str:
    executable = Path(sys.executable).with_name(tool)
    if not executable.exists():
        raise HandoffFailed(f"{tool} is missing: pip install 'undercloud[handoff]'")
    # ansible-inventory exits with 0 even when it could read nothing, unless told otherwise.
    settings = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_NOCOLOR": "true"}
    done = subprocess.run(
        [str(executable), *arguments],
        env={**os.environ, **settings, "PATH": f"{executable.parent}:{os.environ.get('PATH', '')}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode != 0:
        raise HandoffFailed(f"{tool} fails: {(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout
