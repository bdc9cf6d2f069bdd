"""Whether a guest really starts with KVM: the device may open, and the guest still hang."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

# mov al, 0x2a; out 0xf4, al; hlt -- QEMU's isa-debug-exit turns 0x2a into exit status 0x55.
BOOT_SECTOR = bytes.fromhex("b02ae6f4f4").ljust(510, b"\0") + b"\x55\xaa"
EXIT_STATUS = 0x2A << 1 | 1
PATIENCE = 2.0


def choose() -> str:
    """The libvirt domain type that works here: kvm, or qemu (translated code, slow)."""
    return "kvm" if Path("/dev/kvm").exists() and runs_guest("kvm") else "qemu"


def runs_guest(accel: str, patience: float = PATIENCE, boot_sector: bytes = BOOT_SECTOR) -> bool:
    """Boots a sector that ends the machine at once; a guest that says nothing in time does not run."""
    with tempfile.NamedTemporaryFile() as disk:
        disk.write(boot_sector)
        disk.flush()
        # `timeout` keeps its word even if we are killed meanwhile: no hung guest stays behind.
        limited = ["timeout", "--signal=KILL", str(patience), *_argv(accel, disk.name)]
        return subprocess.run(limited, capture_output=True, check=False).returncode == EXIT_STATUS


def _argv(accel: str, disk: str) -> list[str]:
    return [
        *("qemu-system-x86_64", "-accel", accel, "-machine", "pc", "-m", "16", "-display", "none"),
        *("-nodefaults", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"),
        *("-drive", f"file={disk},format=raw,if=ide,readonly=off", "-boot", "c"),
    ]
