"""From nothing, or from half a rack, to a rack of powered-off machines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from vmlab import (
    accelerator,
    consoles,
    daemon,
    ipmi_bmcs,
    libvirtd,
    machines,
    namespace,
    network,
    redfish_bmcs,
    teardown,
)
from vmlab.daemon import Daemon
from vmlab.errors import LabError
from vmlab.rack import Rack
from vmlab.topology import Machine, Topology

Say = Callable[[str], None]
NEEDED = ("ip", "libvirtd", "qemu-system-x86_64", "mount", "umount")


def up(rack: Rack, topology: Topology, say: Say) -> None:
    """Brings up what is missing; an intact rack keeps its machines, their disks and their power."""
    _require()
    _same_as_before(rack, topology)
    if not intact(rack):
        # Daemons of a half-built rack hold stale sockets and handles of each other: start them all anew.
        teardown.stop(rack)
    rack.path.mkdir(parents=True, exist_ok=True)
    rack.save(topology)
    say(f"network namespace {rack.namespace}")
    network.lay(rack.namespace, topology)
    machines.make_disks(rack, topology)
    _start_consoles(rack, topology)
    _start_libvirtd(rack, topology, say)
    _start_bmcs(rack, topology, say)


def intact(rack: Rack) -> bool:
    """Whether everything that belongs to the saved topology runs."""
    if not rack.saved.exists() or not namespace.exists(rack.namespace):
        return False
    return all(daemon.running(rack, name) for name in daemon_names(rack, rack.topology()))


def daemon_names(rack: Rack, topology: Topology) -> list[str]:
    """What runs in a rack that is whole."""
    return [libvirtd.NAME, consoles.NAME, *(found.name for found in bmc_daemons(rack, topology))]


def bmc_daemons(rack: Rack, topology: Topology) -> list[Daemon]:
    """One virtualbmc for all IPMI machines, one emulator for each Redfish machine."""
    ipmi, redfish = _behind("ipmi", topology), _behind("redfish", topology)
    served = [redfish_bmcs.daemon(rack, machine) for machine in redfish]
    return [ipmi_bmcs.daemon(rack, ipmi), *served] if ipmi else served


def _behind(protocol: str, topology: Topology) -> list[Machine]:
    return [machine for machine in topology.machines if machine.bmc.protocol == protocol]


def _start_consoles(rack: Rack, topology: Topology) -> None:
    wanted = consoles.daemon(rack, topology)
    if not daemon.running(rack, libvirtd.NAME):
        libvirtd.prepare(rack)
    daemon.await_ready(rack, wanted, daemon.start(rack, wanted, libvirtd.binds(rack)))


def _start_libvirtd(rack: Rack, topology: Topology, say: Say) -> None:
    wanted = libvirtd.daemon()
    say("libvirtd")
    daemon.await_ready(rack, wanted, daemon.start(rack, wanted, libvirtd.binds(rack)))
    if _behind("redfish", topology):
        machines.keep_media(rack)
    missing = machines.undefined(rack, topology)
    if missing:
        kind = accelerator.choose()
        say(f"{len(missing)} machines, {'KVM' if kind == 'kvm' else 'TCG (no usable KVM)'}")
        machines.define(rack, topology, missing, kind)


def _start_bmcs(rack: Rack, topology: Topology, say: Say) -> None:
    missing = [wanted for wanted in bmc_daemons(rack, topology) if not daemon.running(rack, wanted.name)]
    if missing:
        _prepare_bmcs(rack, topology)
        say(f"BMCs: {', '.join(wanted.name for wanted in missing)}")
    started = [(wanted, daemon.start(rack, wanted, libvirtd.binds(rack))) for wanted in missing]
    for wanted, process in started:
        daemon.await_ready(rack, wanted, process)


def _prepare_bmcs(rack: Rack, topology: Topology) -> None:
    ipmi_bmcs.prepare(rack, _behind("ipmi", topology))
    for machine in _behind("redfish", topology):
        redfish_bmcs.prepare(rack, machine)


def _same_as_before(rack: Rack, topology: Topology) -> None:
    if rack.saved.exists() and rack.topology() != topology:
        down = f"Take it down first: undercloud lab down --name {rack.name}"
        raise LabError(f"rack {rack.name} was built from another topology", do=down)


def _require() -> None:
    if os.geteuid() != 0:
        raise LabError(
            "a rack needs namespaces, mounts and machines", do="Run it as root, for example with sudo."
        )
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if missing:
        raise LabError(f"not installed: {', '.join(missing)}", do="vm-lab/setup installs what the lab needs.")
