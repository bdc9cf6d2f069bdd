"""What the lab hands to libvirt and to the `undercloud` command, as whole texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from vmlab import domain, site_file, topology
from vmlab.rack import Rack

THREE = Path(__file__).parents[2] / "vm-lab" / "topologies" / "three.yaml"
GOLDEN = Path(__file__).parents[1] / "data" / "vm_lab"
RACK = Rack(name="golden", path=Path("/racks/o'hara & sons"))


@pytest.mark.parametrize(("index", "accelerator"), [(0, "qemu"), (2, "qemu"), (2, "kvm")])
def test_a_machine_as_libvirt_wants_it(index: int, accelerator: str) -> None:
    machine = topology.load(THREE).machines[index]
    text = domain.render(RACK, machine, "br-prov", accelerator, 17001 + index)
    assert text == (GOLDEN / f"{machine.name}-{accelerator}.xml").read_text()


def test_the_declaration_of_the_hosts() -> None:
    assert (
        site_file.render(topology.load(THREE), "ssh-ed25519 AAAA lab") == (GOLDEN / "site.yaml").read_text()
    )
