"""Which boot loader a machine's firmware gets, and how: one table, by processor architecture.

DHCP option 93 tells the architecture (RFC 4578 section 2.1; the codes are IANA's registry "Processor
Architecture Types"). The codes of HTTP boot (UEFI specification section 24.7) want a URL and option 60
`HTTPClient` instead of a file name. Option 175 is set by iPXE alone, which wants a script, not a loader.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class LoaderMissing(RuntimeError):
    """A boot loader is not on this machine; the message names its package."""


class UEFILoader(StrEnum):
    """What UEFI machines get. Nobody signed iPXE, so Secure Boot refuses it; shim and GRUB are signed."""

    IPXE = "ipxe"
    GRUB = "grub"


@dataclass(frozen=True)
class Loader:
    """A boot file, where Debian's package puts it, and what it fetches itself from beside it."""

    filename: str
    path: Path
    package: str
    then: Loader | None = None

    @property
    def there(self) -> bool:
        """Whether it and all that it needs can be served."""
        return self.path.exists() and (self.then is None or self.then.there)

    def chain(self) -> tuple[Loader, ...]:
        return (self, *(self.then.chain() if self.then else ()))


@dataclass(frozen=True)
class Architecture:
    """A processor architecture: `http` marks its HTTP boot; `signed` is what Secure Boot accepts.

    `iso`: where everything must be signed it gets an ISO image of its own (`pxe/media/`).
    """

    code: int
    name: str
    ipxe: Loader | None = None
    signed: Loader | None = None
    http: bool = False
    iso: bool = False

    def loader(self, choice: UEFILoader) -> Loader | None:
        """What such a machine gets; BIOS knows no Secure Boot, so it gets iPXE whatever was chosen."""
        return self.signed if choice is UEFILoader.GRUB and self.code != BIOS else self.ipxe


BIOS = 0
_IPXE, _SHIM, _GRUB = Path("/usr/lib/ipxe"), Path("/usr/lib/shim"), Path("/usr/lib/grub")
UNDIONLY = Loader("undionly.kpxe", _IPXE / "undionly.kpxe", "ipxe")
SNPONLY = Loader("snponly.efi", _IPXE / "snponly.efi", "ipxe")
# Debian 12's ipxe is built for x86 alone; this is the name in later ones.
IPXE_ARM64 = Loader("ipxe-arm64.efi", _IPXE / "ipxe-arm64.efi", "ipxe (of a later release)")
_GRUB_X64 = Loader("grubx64.efi", _GRUB / "x86_64-efi-signed/grubnetx64.efi.signed", "grub-efi-amd64-signed")
_GRUB_ARM64 = Loader(
    "grubaa64.efi", _GRUB / "arm64-efi-signed/grubnetaa64.efi.signed", "grub-efi-arm64-signed:arm64"
)
SHIM_X64 = Loader("shimx64.efi", _SHIM / "shimx64.efi.signed", "shim-signed", _GRUB_X64)
SHIM_ARM64 = Loader("shimaa64.efi", _SHIM / "shimaa64.efi.signed", "shim-signed:arm64", _GRUB_ARM64)

# By HTTP there is no signed chain: Debian's signed GRUB has no `http` module, and Secure Boot lets it load
# none ("prohibited by secure boot policy"). Such a machine's firmware fetches an ISO image by HTTP.
ARCHITECTURES = {
    each.code: each
    for each in (
        Architecture(BIOS, "x86 BIOS", UNDIONLY),
        Architecture(2, "Itanium UEFI"),
        Architecture(6, "x86 32-bit UEFI"),
        Architecture(7, "x86-64 UEFI", SNPONLY, SHIM_X64),
        Architecture(9, "x86-64 UEFI", SNPONLY, SHIM_X64),  # by RFC 4578's text; seen so
        Architecture(10, "ARM 32-bit UEFI"),
        Architecture(11, "ARM 64-bit UEFI", IPXE_ARM64, SHIM_ARM64),
        Architecture(14, "PowerPC OPAL"),
        Architecture(15, "x86 32-bit UEFI, HTTP boot", http=True),
        Architecture(16, "x86-64 UEFI, HTTP boot", SNPONLY, http=True, iso=True),
        Architecture(18, "ARM 32-bit UEFI, HTTP boot", http=True),
        Architecture(19, "ARM 64-bit UEFI, HTTP boot", IPXE_ARM64, http=True),
        Architecture(20, "x86 BIOS, HTTP boot", http=True),
        Architecture(27, "RISC-V 64-bit UEFI"),
        Architecture(28, "RISC-V 64-bit UEFI, HTTP boot", http=True),
        Architecture(39, "LoongArch 64-bit UEFI"),
        Architecture(41, "ARM Raspberry Pi"),
    )
}
REQUIRED = (UNDIONLY, SNPONLY)  # without which no seed answers
LOADERS = tuple(
    dict.fromkeys(
        part
        for each in ARCHITECTURES.values()
        for loader in (each.ipxe, each.signed)
        for part in (loader.chain() if loader else ())
    )
)


def has_loader(code: int, choice: UEFILoader = UEFILoader.IPXE) -> bool:
    """Whether a machine of this architecture is given a loader; those that no seed starts without count."""
    known = ARCHITECTURES.get(code)
    loader = known.loader(choice) if known else None
    return loader is not None and (loader in REQUIRED or loader.there)


def required(choice: UEFILoader) -> tuple[Loader, ...]:
    """What must be installed where all UEFI machines get this."""
    return (*REQUIRED, SHIM_X64) if choice is UEFILoader.GRUB else REQUIRED


def path_of(filename: str) -> Path | None:
    """Where a loader lies, for whoever serves it by HTTP; None: there is no such loader."""
    return next((each.path for each in LOADERS if each.filename == filename and each.path.exists()), None)


def stage(tftp_root: Path, *, required: tuple[Loader, ...] = REQUIRED) -> None:
    """Copy the loaders to where TFTP serves them; raises LoaderMissing naming the Debian package.

    What is not required and not installed is left out; its architectures get no loader then.
    """
    tftp_root.mkdir(parents=True, exist_ok=True)
    for loader in required:
        if not loader.there:
            missing = next(part for part in loader.chain() if not part.path.exists())
            raise LoaderMissing(f"{missing.path} is missing: apt-get install {missing.package}")
    for loader in filter(lambda each: each.path.exists(), LOADERS):
        target = tftp_root / loader.filename
        if not target.exists() or target.read_bytes() != loader.path.read_bytes():
            target.write_bytes(loader.path.read_bytes())
            target.chmod(0o644)
