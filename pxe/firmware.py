"""Which first-stage loader a machine's firmware gets: one table.

DHCP option 93 (RFC 4578 section 2.1, codes in the IANA registry "Processor Architecture Types") tells the
architecture; option 175 is set by iPXE alone, which then wants a script instead of another loader.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class LoaderMissing(RuntimeError):
    """A boot loader is not on this machine; the message names its package."""


@dataclass(frozen=True)
class Loader:
    """A first-stage boot file, the client architectures that take it, and the Debian package that has it."""

    filename: str
    architectures: tuple[int, ...]
    package: str = "ipxe"

    @property
    def path(self) -> Path:
        """Where Debian's package puts the file."""
        return Path("/usr/lib/ipxe") / self.filename


# 0: x86 BIOS. 7: UEFI x86-64 by the RFC's erratum and every firmware; 9: by the RFC's text, seen on some.
LOADERS = (
    Loader("undionly.kpxe", (0,)),
    Loader("snponly.efi", (7, 9)),
)


def stage(tftp_root: Path, loaders: tuple[Loader, ...] = LOADERS) -> None:
    """Copy the loaders to where TFTP serves them; raises LoaderMissing naming the Debian package."""
    tftp_root.mkdir(parents=True, exist_ok=True)
    for loader in loaders:
        if not loader.path.exists():
            raise LoaderMissing(f"{loader.path} is missing: apt-get install {loader.package}")
        target = tftp_root / loader.filename
        if not target.exists() or target.read_bytes() != loader.path.read_bytes():
            target.write_bytes(loader.path.read_bytes())
            target.chmod(0o644)
