"""virtualbmc: one IPMI BMC per machine, each on port 623 of its own address."""

from __future__ import annotations

import configparser
import io
import shutil
import socket
import sys
from collections.abc import Sequence

from vmlab import libvirtd, namespace
from vmlab.daemon import Daemon
from vmlab.rack import Rack, write_secret
from vmlab.topology import Machine

NAME = "virtualbmc"
PORT = 623
# Get Channel Authentication Capabilities: what every IPMI client asks first, before any session.
HELLO = bytes.fromhex("0600ff07 00 00000000 00000000 09 2018c8 8100388e04b5")
ANSWER_WITHIN = 0.5


def daemon(rack: Rack, machines: Sequence[Machine]) -> Daemon:
    return Daemon(
        name=NAME,
        argv=[sys.executable, "-m", "virtualbmc.cmd.vbmcd", "--foreground"],
        env={"VIRTUALBMC_CONFIG": str(rack.path / "virtualbmc.conf")},
        ready=lambda _: namespace.inside(rack.namespace, lambda: all(map(_answers, machines))),
    )


def prepare(rack: Rack, machines: Sequence[Machine]) -> None:
    """Writes what `vbmc add` would; that command takes the password on its command line."""
    folder = rack.path / "virtualbmc"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (rack.path / "virtualbmc.conf").write_text(_daemon_config(rack))
    for machine in machines:
        write_secret(folder / machine.name / "config", _machine_config(machine))


def _daemon_config(rack: Rack) -> str:
    sections = {
        "default": {
            "config_dir": str(rack.path / "virtualbmc"),
            "pid_file": str(rack.path / "virtualbmc-own.pid"),
            "server_response_timeout": "5000",
        },
        # Only how long each BMC waits between two looks at its sessions, not how long a session lives.
        "ipmi": {"session_timeout": "10"},
    }
    return _ini(sections)


def _machine_config(machine: Machine) -> str:
    options = {
        "username": machine.bmc.username,
        "password": machine.bmc.password.get_secret_value(),
        "address": str(machine.bmc.address),
        "port": str(PORT),
        "domain_name": machine.name,
        "libvirt_uri": libvirtd.URI,
        "active": "True",
    }
    return _ini({"VirtualBMC": options})


def _ini(sections: dict[str, dict[str, str]]) -> str:
    parser = configparser.ConfigParser()
    parser.read_dict(
        {
            name: {key: value.replace("%", "%%") for key, value in items.items()}
            for name, items in sections.items()
        }
    )
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _answers(machine: Machine) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(ANSWER_WITHIN)
        client.connect((str(machine.bmc.address), PORT))
        client.send(HELLO)
        return bool(client.recv(1024))
