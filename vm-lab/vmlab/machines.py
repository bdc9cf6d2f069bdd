"""The rack's machines behind everybody's back: what a hand on the power cord does, not what a BMC does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from vmlab import consoles, daemon, domain, libvirtd
from vmlab.errors import LabError
from vmlab.rack import Rack
from vmlab.topology import Machine, Topology

if TYPE_CHECKING:
    import libvirt


@contextmanager
def connected(rack: Rack) -> Iterator[libvirt.virConnect]:
    """A connection to the rack's libvirtd."""
    process = daemon.running(rack, libvirtd.NAME)
    again = f"Repair it: undercloud lab up --name {rack.name}"
    if not process:
        raise LabError(f"rack {rack.name}: its libvirtd does not run", do=again)
    try:
        connection = libvirtd.connect(process.pid)
    except OSError as error:
        raise LabError(f"rack {rack.name}: its libvirtd does not answer: {error}", do=again) from None
    try:
        yield connection
    finally:
        connection.close()


POOL = """\
<pool type='dir'>
  <name>default</name>
  <target><path>{path}</path></target>
</pool>
"""


def keep_media(rack: Rack) -> None:
    """Has libvirt keep what Redfish BMCs insert; sushy-tools puts it into the pool of this name."""
    rack.media.mkdir(parents=True, exist_ok=True)
    with connected(rack) as connection:
        if connection.listAllStoragePools():
            return
        pool = connection.storagePoolDefineXML(POOL.format(path=escape(str(rack.media))))
        pool.setAutostart(True)
        pool.create()


def undefined(rack: Rack, topology: Topology) -> list[Machine]:
    """The machines that libvirt does not know yet; those that it knows keep boot device and power."""
    with connected(rack) as connection:
        known = {found.name() for found in connection.listAllDomains()}
    return [machine for machine in topology.machines if machine.name not in known]


def define(rack: Rack, topology: Topology, wanted: Iterable[Machine], accelerator: str) -> None:
    """Makes libvirt know these machines, powered off."""
    bridge = topology.networks.provisioning.interface
    with connected(rack) as connection:
        for machine in wanted:
            plug = consoles.plugs(topology)[machine.name]
            connection.defineXML(domain.render(rack, machine, bridge, accelerator, plug))


def make_disks(rack: Rack, topology: Topology) -> None:
    """Empty disks, sparse; one that exists keeps what is on it."""
    for disk in (disk for machine in topology.machines for disk in machine.disks):
        path = rack.disk(disk.serial)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size != disk.size:
            with path.open("wb") as file:
                file.truncate(disk.size)


def power_states(rack: Rack) -> dict[str, bool]:
    """Which machines run, by name."""
    with connected(rack) as connection:
        return {found.name(): bool(found.isActive()) for found in connection.listAllDomains()}


def set_power(rack: Rack, name: str, on: bool) -> None:
    """Gives or takes the current; a machine that is already so is left alone."""
    rack.machine(name)
    with connected(rack) as connection:
        found = connection.lookupByName(name)
        if bool(found.isActive()) != on:
            (found.create if on else found.destroy)()
