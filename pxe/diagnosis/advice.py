"""Causes and advice that stand in more than one rule."""

from __future__ import annotations

from pxe.diagnosis.diagnosis import Cause

VLAN = Cause(
    "the switch port is in another VLAN, or takes tagged frames only",
    "on the switch: `show mac address-table` for the node's MAC; make the provisioning VLAN the port's "
    "access (native) VLAN",
)
BOOT_ORDER_IGNORED = Cause(
    "the firmware ignored the BMC's one-time boot order, as some do",
    "`undercloud node boot-device pxe {node} --mode uefi` (or bios, as its firmware is set)",
)
WRONG_NIC = Cause(
    "firmware boots from another NIC than the one that is cabled to the provisioning network",
    "in the firmware's setup enable PXE on the NIC with one of the node's MACs alone, and put it first",
)
LATE_PORT = Cause(
    "the switch port does not forward yet when the firmware asks (spanning tree, LACP)",
    "set the port to edge (portfast); with a bond, `lacp fallback` or no bond on the boot NIC's port",
)
TFTP_FIREWALL = Cause(
    "a firewall passes the request (UDP 69) but not the answers, which come from another port",
    "load the TFTP helper (nf_conntrack_tftp) on firewalls and routers between, or open "
    "UDP 1024-65535 from {seed}",
)
MTU = Cause(
    "blocks larger than the path carries (blksize, MTU, a tunnel): only the first answer passes",
    "set one MTU along the path; `ping -M do -s 1472 {address}` from the seed must pass",
)
HTTP_FIREWALL = Cause(
    "a firewall between the machine and the seed's HTTP port, or no route",
    "from another machine in this network: `curl {url}`; open that port on the seed and on what stands "
    "between",
)
NO_IMAGE = Cause("an image is missing on the seed", "`undercloud image list`, then `undercloud doctor`")
MEDIA_ROUTE = Cause(
    "the BMC has no way to the seed's HTTP port: BMCs fetch images themselves",
    "route between the BMC network and {seed}, open that port, or name where BMCs reach the seed as "
    "`provisioning: media_url`",
)
MEMORY = Cause(
    "too little memory for the ramdisk, or a bad DIMM",
    "give it 3 GiB at least; read `undercloud node sel {node}` for memory errors",
)
SIGNED_LOADERS = "have the seed serve it shim and GRUB: `undercloud node set {node} --secure-boot`"
HOST_NETWORK = Cause(
    "the host's network does not lead to the seed: address, VLAN, bond or router of its profile",
    "log in at `undercloud node console {node}`: `ip address`, `ip route`, `curl {url}`",
)
OR_OFF = "; or switch Secure Boot off in the firmware's setup"
OTHER_RAMDISK = (
    "`undercloud image build-ramdisk --kernel generic --with-firmware`, and name it as "
    "`ramdisk: image` in undercloud.yaml"
)
NO_NIC_DRIVER = Cause(
    "no driver or firmware for its NIC: a cloud kernel has those of virtual machines and Mellanox alone",
    OTHER_RAMDISK,
)
NO_DISK_DRIVER = Cause(
    "no driver for its disk controller: a cloud kernel has those of virtual machines and NVMe alone",
    OTHER_RAMDISK,
)
