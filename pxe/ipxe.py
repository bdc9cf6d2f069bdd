"""iPXE scripts: the second stage, rendered for one machine at the moment it asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BootRamdisk:
    """Boot a kernel and a ramdisk over HTTP; `own_url`: a small initramfs that is this machine's own."""

    kernel_url: str
    initramfs_url: str
    arguments: tuple[str, ...]
    own_url: str | None = None


@dataclass(frozen=True)
class BootDisk:
    """Leave the network and boot from disk."""


@dataclass(frozen=True)
class Halt:
    """Boot nothing; `reason` stays on the console."""

    reason: str


BootSpec = BootRamdisk | BootDisk | Halt


def entry_script(script_url: str) -> str:
    """The script that DHCP names: it asks for the script of the machine that runs it.

    `${mac}` is the NIC that iPXE booted from, `${uuid}` and `${serial}` are SMBIOS'; failing, it waits and
    asks again, since a seed may restart.
    """
    who = "mac=${mac}&uuid=${uuid}&serial=${serial:uristring}&platform=${platform}"
    return (
        "#!ipxe\n"
        ":again\n"
        f"chain --replace {script_url}?{who} || goto later\n"
        "exit\n"
        ":later\n"
        "echo The seed has no answer for ${mac}; asking again in 5 s\n"
        "sleep 5\n"
        "goto again\n"
    )


def machine_script(spec: BootSpec, title: str) -> str:
    """The script of one machine; `title` is shown on its console."""
    match spec:
        case BootRamdisk():
            return _ramdisk(spec, title)
        case BootDisk():
            return _disk(title)
        case Halt():
            return _halt(spec.reason, title)


def _ramdisk(spec: BootRamdisk, title: str) -> str:
    # UEFI kernels find the ramdisk by name only, hence `initrd=`; BIOS ignores the argument.
    # Failing, this very script is asked for again (${cwuri}, where it came from): a reboot would go to the
    # disk, since the BMC was told to boot from the network once.
    # What is the machine's own comes first, uncompressed: what follows a compressed archive depends on where
    # its decompressor stops.
    own = ("initrd=own",) if spec.own_url else ()
    arguments = " ".join((*own, "initrd=initramfs", *spec.arguments))
    fetch_own = f"initrd --name own {spec.own_url} || goto failed\n" if spec.own_url else ""
    return (
        "#!ipxe\n"
        f"echo {title}\n"
        "imgfree\n"
        f"kernel --name kernel {spec.kernel_url} {arguments} || goto failed\n"
        f"{fetch_own}"
        f"initrd --name initramfs {spec.initramfs_url} || goto failed\n"
        "boot || goto failed\n"
        ":failed\n"
        "echo Loading failed; asking again in 10 s\n"
        "sleep 10\n"
        "chain --replace ${cwuri} || goto failed\n"
    )


def _disk(title: str) -> str:
    # BIOS: 0x80 is the first disk of int 13h. UEFI: leaving with an error makes firmware try the next entry.
    return (
        "#!ipxe\n"
        f"echo {title}\n"
        "iseq ${platform} efi && exit 1 ||\n"
        "sanboot --no-describe --drive 0x80 || exit 1\n"
    )


def _halt(reason: str, title: str) -> str:
    # Neither to the disk nor to a reset: somebody is to read it.
    return f"#!ipxe\necho {title}\necho {reason}\n:halt\nsleep 3600\ngoto halt\n"
