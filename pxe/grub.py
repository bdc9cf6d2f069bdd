"""GRUB's scripts: the second stage where Secure Boot is on, since shim and GRUB are signed and iPXE is not.

Debian's signed GRUB 2.06 speaks TFTP alone: its image has no `http` module ("disk `http,192.0.2.1' not
found"), and Secure Boot forbids it to load one. So what iPXE gets rendered on its asking lies here in files,
written when the seed's mind changes (`seed/grub_files.py`).
"""

from __future__ import annotations

import re

from pxe.ipxe import BootDisk, BootRamdisk, BootSpec, Halt

CONFIGURATION = "grub/grub.cfg"  # where grubnetx64.efi looks, below TFTP's root
MACHINES = "grub/machine"  # a file for each machine, by what it can tell of itself
KERNEL, INITRAMFS = "ramdisk/kernel", "ramdisk/initramfs"
OWN = "ramdisk/own"  # a small initramfs for each machine whose network is told
UNKNOWN = "unknown"
_HOPS = ((f"/{KERNEL}", "boot.kernel"), (f"/{INITRAMFS}", "boot.initramfs"))
# shim 16 and GRUB 2.06 ask for these and go on without: lists of what is revoked, modules, other names.
_ON_TRIAL = re.compile(r"(^|/)(revocations\w*\.efi|shim_certificate\w*\.efi|\w+\.(lst|mod)|machine/[^/]+)$")
_FIRMWARE_FILES = ("boot/bootx64.efi", "debian/shimx64.efi", "ubuntu/shimx64.efi", "redhat/shimx64.efi")


def keys(macs: tuple[str, ...], system_uuid: str | None, serial: str | None) -> list[str]:
    """The file names under which a machine finds its script: by serial number where its UUID is not known.

    A serial number that is no file name is left out.
    """
    fit = serial if serial and re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", serial) else None
    return [*macs, *(key for key in (system_uuid or fit,) if key)]


def kind_of(path: str) -> str:
    """Which milestone it is that a file has come by TFTP."""
    if f"/{MACHINES}/" in f"/{path}":
        return "boot.script"
    return next((kind for end, kind in _HOPS if f"/{path}".endswith(end)), "boot.tftp")


def on_trial(path: str) -> bool:
    """Whether it is no trouble that this file is not there."""
    return bool(_ON_TRIAL.search(path))


def entry_script() -> str:
    """GRUB's configuration: it looks for the script of the machine that runs it, again and again.

    By the MAC that firmware booted from, else SMBIOS' UUID and serial (type 1, DSP0134 section 7.2). `-s`
    opens a file to see whether it is there; `-f` would list its folder, which TFTP cannot.
    """
    return (
        "smbios --type 1 --get-uuid 8 --set uuid\n"
        "smbios --type 1 --get-string 7 --set serial\n"
        "while true; do\n"
        f'  for who in "$net_default_mac" "$uuid" "$serial" {UNKNOWN}; do\n'
        f'    if [ -n "$who" -a -s "(tftp,$net_default_server)/{MACHINES}/$who" ]; then\n'
        f'      source "(tftp,$net_default_server)/{MACHINES}/$who"\n'
        "      break\n"
        "    fi\n"
        "  done\n"
        "  echo The seed has no answer for $net_default_mac, asking again in 10 s\n"
        "  sleep 10\n"
        "done\n"
    )


def machine_script(spec: BootSpec, title: str) -> str:
    """The script of one machine; whatever it ends with but `exit`, it is looked for again."""
    match spec:
        case BootRamdisk():
            return _ramdisk(spec, title)
        case BootDisk():
            return _disk(title)
        case Halt():
            return f"echo {quoted(title)}\necho {quoted(spec.reason)}\nwhile true; do sleep 3600; done\n"


def own_file(spec: BootRamdisk) -> str:
    """Where a machine's own initramfs lies, by what stands before the last part of its URL."""
    return f"{OWN}/{(spec.own_url or '').split('/')[-2]}"


def _ramdisk(spec: BootRamdisk, title: str) -> str:
    # The NIC is the one that this GRUB came by, whichever of the node's it is.
    words = [quoted(argument) for argument in spec.arguments if not argument.startswith("BOOTIF=")]
    arguments = " ".join((*words, "BOOTIF=$net_default_mac"))
    own = f'"(tftp,$net_default_server)/{own_file(spec)}" ' if spec.own_url else ""
    return (
        f"echo {quoted(title)}\n"
        f'linux "(tftp,$net_default_server)/{KERNEL}" {arguments}\n'
        f'initrd {own}"(tftp,$net_default_server)/{INITRAMFS}"\n'
        "boot\n"
    )


def _disk(title: str) -> str:
    # GRUB 2.06 leaves with success whatever `exit` is given, and firmware (OVMF) then opens its menu instead
    # of trying its next entry: so the disk's own loader is looked for first.
    files = " ".join(_FIRMWARE_FILES)
    return (
        f"echo {quoted(title)}\n"
        f"for file in {files}; do\n"
        '  if search --no-floppy --file --set=disk "/efi/$file"; then\n'
        '    chainloader "($disk)/efi/$file"\n'
        "    boot\n"
        "  fi\n"
        "done\n"
        "exit\n"
    )


def quoted(text: str) -> str:
    """As GRUB's shell reads it back as one word."""
    return text if re.fullmatch(r"[A-Za-z0-9_=.,:/-]+", text) else "'" + text.replace("'", r"'\''") + "'"
