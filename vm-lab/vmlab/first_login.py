"""The first ssh into an installed host: is it who it was declared to be?"""

from __future__ import annotations

import time

from vmlab.errors import LabError
from vmlab.topology import Machine
from vmlab.undercloud_command import Undercloud

# A first boot takes a minute alone, and several when all machines boot at once on few cores.
ANSWERS_WITHIN = 600.0
ASK_EVERY = 5.0
QUESTION = "hostname; hostname -I; uname -sr"


def greet(undercloud: Undercloud, machine: Machine) -> str:
    """Logs in with the injected key and returns one line about the host; a wrong name or address fails."""
    deadline = time.monotonic() + ANSWERS_WITHIN
    while (answer := undercloud.output("node", "ssh", machine.name, "--", QUESTION)) is None:
        if time.monotonic() > deadline:
            console = f"undercloud lab console {machine.name} --name {undercloud.rack.name}"
            raise LabError(f"{machine.name}: no ssh at {machine.address}", do=f"Its console: {console}")
        time.sleep(ASK_EVERY)
    hostname, addresses, system = answer.splitlines()[-3:]
    if hostname != machine.name or str(machine.address) not in addresses.split():
        seen = f"calls itself {hostname} at {addresses.strip()}"
        raise LabError(f"{machine.name} {seen}; declared was {machine.name} at {machine.address}")
    return f"{hostname} at {machine.address}: {system}"
