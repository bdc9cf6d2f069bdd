"""A machine as libvirt wants it described."""

from __future__ import annotations

import uuid
from xml.sax.saxutils import escape

from vmlab.rack import Rack
from vmlab.topology import Disk, Machine

LOADER = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
# Secure Boot is on where Microsoft's keys are enrolled, and kept safe by system management mode.
SECURE_LOADER = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
SECURE_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
NVRAM = "/var/lib/libvirt/qemu/nvram"
MANUFACTURER = "Undercloud Lab"

DOMAIN = """\
<domain type='{accelerator}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='b'>{memory}</memory>
  <vcpu>{vcpus}</vcpu>
{firmware_settings}  <sysinfo type='smbios'>
    <system>
      <entry name='manufacturer'>{manufacturer}</entry>
      <entry name='product'>{product}</entry>
      <entry name='serial'>{serial}</entry>
      <entry name='uuid'>{uuid}</entry>
    </system>
  </sysinfo>
  <os>
    <type arch='x86_64' machine='{chipset}'>hvm</type>{loader}
    <boot dev='network'/>
    <boot dev='hd'/>{bios}
    <smbios mode='sysinfo'/>
  </os>
  <features><acpi/><apic/>{smm}</features>{cpu}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>{disks}
    <interface type='bridge'>
      <mac address='{mac}'/>
      <source bridge='{bridge}'/>
      <model type='{nic}'/>
      <driver name='qemu'/>{rom}
    </interface>
    <serial type='tcp'>
      <source mode='connect' host='127.0.0.1' service='{plug}'>
        <reconnect enabled='yes' timeout='1'/>
      </source>
      <protocol type='raw'/>
      <log file='{console}' append='on'/>
      <target port='0'/>
    </serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
"""
UEFI = """
    <loader readonly='yes'{secure} type='pflash'>{loader}</loader>
    <nvram template='{variables}'>{nvram}</nvram>"""
# The firmware's own PXE fetches snponly.efi, as on hardware; QEMU's option ROM is an iPXE already.
NO_ROM = "\n      <rom enabled='no'/>"
# SeaBIOS and iPXE's option ROM speak to the serial port too, as firmware with console redirection does.
BIOS_ON_SERIAL = "\n    <bios useserial='yes'/>"
# Without this the firmware may spend more than a minute on PXE over IPv6.
NO_PXE_BY_IPV6 = "\n    <entry name='opt/org.tianocore/IPv6PXESupport'>n</entry>"
NO_PXE_BY_IPV4 = "\n    <entry name='opt/org.tianocore/IPv4PXESupport'>n</entry>"
FIRMWARE_SETTINGS = """\
  <sysinfo type='fwcfg'>{entries}
  </sysinfo>
"""
DISK = """
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe' discard='unmap'/>
      <source file='{path}'/>
      <target dev='{device}' bus='{bus}'/>
      <serial>{serial}</serial>
    </disk>"""
HOST_CPU = "\n  <cpu mode='host-passthrough'/>"


def identity(machine: Machine) -> str:
    """The machine's UUID: the same in every rack and after every `up`, as a real board's is."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{machine.serial}.lab.undercloud.invalid"))


def loader(machine: Machine) -> str:
    """The UEFI firmware that it runs, or would."""
    return SECURE_LOADER if machine.firmware == "secure-boot" else LOADER


def product(machine: Machine) -> str:
    return f"Virtual {machine.firmware.upper()} machine"


def render(rack: Rack, machine: Machine, bridge: str, accelerator: str, plug: int) -> str:
    """The domain's XML; `accelerator` is kvm or qemu (translated code), `plug` the console server's port."""
    return DOMAIN.format(
        accelerator=accelerator,
        name=machine.name,
        uuid=identity(machine),
        memory=machine.memory,
        vcpus=machine.vcpus,
        manufacturer=MANUFACTURER,
        product=product(machine),
        serial=machine.serial,
        chipset="pc" if machine.firmware == "bios" else "q35",
        loader=_pflash(machine),
        bios=BIOS_ON_SERIAL if machine.firmware == "bios" else "",
        firmware_settings=_settings(machine),
        rom="" if machine.firmware == "bios" else NO_ROM,
        smm="<smm state='on'/>" if machine.firmware == "secure-boot" else "",
        cpu=HOST_CPU if accelerator == "kvm" else "",
        disks="".join(_disk(rack, index, disk) for index, disk in enumerate(machine.disks)),
        mac=machine.mac,
        nic=machine.nic,
        bridge=bridge,
        plug=plug,
        console=escape(str(rack.console(machine.name)), {"'": "&apos;"}),
    )


def _pflash(machine: Machine) -> str:
    if machine.firmware == "bios":
        return ""
    secure = machine.firmware == "secure-boot"
    return UEFI.format(
        secure=" secure='yes'" if secure else "",
        loader=loader(machine),
        variables=SECURE_VARIABLES if secure else VARIABLES,
        nvram=f"{NVRAM}/{machine.name}.fd",
    )


def _settings(machine: Machine) -> str:
    if machine.firmware == "bios":
        return ""
    by_ipv4 = NO_PXE_BY_IPV4 if machine.firmware == "uefi-http" else ""
    return FIRMWARE_SETTINGS.format(entries=NO_PXE_BY_IPV6 + by_ipv4)


def _disk(rack: Rack, index: int, disk: Disk) -> str:
    letter = chr(ord("a") + index)
    return DISK.format(
        path=escape(str(rack.disk(disk.serial)), {"'": "&apos;"}),
        device=f"vd{letter}" if disk.bus == "virtio" else f"sd{letter}",
        bus=disk.bus,
        serial=disk.serial,
    )
