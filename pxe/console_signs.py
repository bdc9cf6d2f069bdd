"""Telling lines of serial consoles: what firmware, loaders, kernels and the agent say when they cannot go on.

A sign tells why the next hop of a boot is missing; a machine that boots all the same may have shown one too.
What they mean to an operator is for pxe/diagnosis/ to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pxe.console_text import Lines
from pxe.milestones import Milestone

SHOWN = 200  # characters of a line that are kept


@dataclass(frozen=True)
class Sign:
    """`pattern` is looked for in a line; one that is a `prompt` in a line without an end, too."""

    name: str
    pattern: re.Pattern[str]
    prompt: bool = False


def _sign(name: str, *patterns: str, prompt: bool = False) -> Sign:
    return Sign(name, re.compile("|".join(patterns), re.IGNORECASE), prompt)


def _ipxe(name: str, *posix: str) -> Sign:
    """By the POSIX error in bits 30 to 24 of iPXE's error number (iPXE, errno.h), which older ones print
    without words: `http://ipxe.org/4c0a6035`."""
    return _sign(name, rf"ipxe\.org/(?:err/)?(?:{'|'.join(posix)})[0-9a-f]{{6}}\b")


# The first that fits counts: what is more telling stands first.
SIGNS: tuple[Sign, ...] = (
    # shim 15 says "Bad Binary Signature" on the screen and this on the console; GRUB 2.06 the second; OVMF
    # "Access Denied", AMI "Security Violation", Insyde "Secure Boot violation" of a loader without signature.
    _sign(
        "secure-boot",
        r"\(0x1A\) Security Violation",
        r"bad shim signature|prohibited by secure boot policy|shim_lock protocol not found",
        r"BdsDxe: failed to (?:load|start) .*(?:Access Denied|Security Violation)",
        r"Secure ?Boot violation|Invalid signature detected\. Check Secure ?Boot",
        r"Verification failed: \(0x",
        r"SBAT self-check failed",
        r"Lockdown: .*unsigned|Loading of unsigned module is rejected",
    ),
    # The kernel itself, Debian's initramfs-tools, dracut: it waits in vain for its root file system.
    _sign(
        "no-root",
        r"VFS: Unable to mount root fs|VFS: Cannot open root device|not syncing: No working init found",
        r"ALERT!\s+\S+ does not exist",
        r"Gave up waiting for root (?:file system )?device",
        r"dracut-initqueue.*: Warning: .*(?:does not exist|timeout.*starting timeout scripts)",
        r"Timed out waiting for device .*(?:root|by-uuid|by-label)",
    ),
    # Linux unpacks the initramfs, and goes on without it where it is cut off or of an unknown compression.
    _sign(
        "initramfs-damaged",
        r"Initramfs unpacking failed",
        r"(?:junk in|invalid magic at start of) compressed archive",
        r"(?:crc error|uncompression error|ZSTD-compressed data is corrupt|Decoding failed).*System halted",
    ),
    _sign(
        "out-of-memory",
        r"Kernel panic - not syncing: .*(?:out of memory|deadlocked on memory|no killable processes)",
        r"Out of memory: Killed process|Out of memory and no killable",
        r"error: out of memory\.",
        r"write error.*(?:no space|out of memory).*initr",
        r"ipxe\.org/(?:err/)?31[0-9a-f]{6}\b",
    ),
    _sign("kernel-panic", r"Kernel panic - not syncing", r"IO-APIC \+ timer doesn't work"),
    _sign(
        "kernel-oops",
        r"\bBUG: (?:unable to handle|kernel NULL|soft lockup|scheduling)",
        r"\bOops: [0-9a-f]{4} \[#\d+\]|general protection fault.*\[#\d+\]",
        r"\bkernel BUG at|Machine check.*(?:Fatal|uncorrected)|mce: \[Hardware Error\]",
        r"watchdog: BUG|rcu: INFO: rcu_\w+ (?:self-)?detected stalls?",
    ),
    # SeaBIOS, OVMF, and what AMI, Dell and HPE say instead.
    _sign(
        "no-boot-device",
        r"No bootable (?:device|option|image|medium)",
        r"not a bootable disk|could not read the boot disk",
        r"(?:Reboot and Select proper Boot device|Insert (?:boot|system) (?:media|disk))",
        r"(?:Non-System disk|Operating System not found|Missing operating system|No boot(?:able)? device)",
        r"starting Boot\w+ \"(?:EFI Internal Shell|UEFI Shell)",
        r"BdsDxe: failed to (?:load|start) .*Not Found",
        r"^Shell> ?$",
        prompt=True,
    ),
    _sign("bootloader-failed", r"^grub(?: rescue)?>", prompt=True),
    _sign(
        "bootloader-failed",
        r"error: (?:no such (?:device|partition|disk)|unknown filesystem|file `?.*not found)",
        r"error: (?:disk|file|symbol) .*not found|error: you need to load the kernel first",
        r"error: (?:premature end of file|couldn't send network packet|timeout reading)",
        r"^GRUB (?:Loading stage|Hard Disk Error|Geom Error|Read Error)",
        r"Failed to (?:open|load|start) (?:\S*\\)?grub\w*\.efi|start_image\(\) returned",
    ),
    # PXE 2.1 firmware, and the UEFI reference implementation's words for the same.
    _sign("pxe-no-offer", r"PXE-E(?:51|52|53|16|55)\b|No valid offer received|DHCP\.*/?\s*timed? ?out"),
    _sign("pxe-no-link", r"PXE-E61\b|Media test failure|Media not present|NO MEDIA|\[Link:down\b"),
    _sign("pxe-not-found", r"PXE-T01\b|PXE-E3B\b|PXE-E23\b|File not found\b.*TFTP|TFTP.*File not found"),
    _sign(
        "pxe-timeout",
        r"PXE-E(?:11|32|35|36|18|21|99)\b|Server response timeout|Could not retrieve NBP file size",
    ),
    _sign("ipxe-no-filename", r"Nothing to boot: "),
    _ipxe("ipxe-no-address", "04"),  # "No configuration methods succeeded"
    _sign("ipxe-no-address", r"No configuration methods succeeded"),
    _ipxe("ipxe-timeout", "4c"),
    _ipxe("ipxe-not-found", "2d"),
    _ipxe("ipxe-refused", "0d", "0e", "0f"),
    _ipxe("ipxe-unreachable", "17", "26", "28"),
    _ipxe("ipxe-denied", "02", "41"),
    _ipxe("ipxe-not-executable", "2e"),
    _ipxe("ipxe-no-name", "3e"),
    # Operation cancelled (0b) is what leaving for the disk looks like.
    _sign("ipxe-failed", r"ipxe\.org/(?:err/)?(?!0b)[0-9a-f]{8}\b"),
    # Our ramdisk's own init and start of the agent (pxe/build/ramdisk_files) say what they miss.
    _sign("no-nic-driver", r"^ramdisk: no driver for the network card"),
    _sign("no-disk-driver", r"^ramdisk: no driver for the storage controller"),
    _sign("no-route", r"^ramdisk: no route to"),
    _sign("initramfs-damaged", r"^ramdisk: .*(?:cannot be mounted|cannot load)"),
    _sign("agent-failed", r"^ramdisk: the agent ended with"),
    # The agent. Python's words for OpenSSL's and the kernel's errors.
    _sign(
        "clock",
        r"certificate is not yet valid|certificate has expired",
    ),
    _sign(
        "tls",
        r"CERTIFICATE_VERIFY_FAILED|SSL: WRONG_VERSION_NUMBER|SSLError|Hostname mismatch|TLSV1_ALERT",
    ),
    _sign("agent-refused", r"ironic.*(?:Connection refused|ECONNREFUSED)", r"Errno 111\b"),
    _sign(
        "no-route",
        r"ironic.*(?:No route to host|Network is unreachable|ENETUNREACH|EHOSTUNREACH)",
        r"Errno (?:101|113)\b|No default route|did not find (?:any )?(?:default )?route",
    ),
    _sign(
        "agent-timeout",
        r"ironic.*(?:Connection to \S+ timed out|Max retries exceeded|ConnectTimeout|Read timed out)",
        r"Errno 110\b",
    ),
    _sign("agent-no-disk", r"DeviceNotFound|No suitable device was found for deployment"),
    _sign("agent-failed", r"ironic.*Traceback|ironic-python-agent\.service: (?:Failed|Main process exited)"),
    # The installed system, or the ramdisk where it lets somebody in.
    _sign("kernel-started", r"^(?:\[ *[\d.]+\] )?Linux version \d"),
    _sign("login", r"\blogin: ?$", prompt=True),
    _sign(
        "emergency-mode",
        r"You are in emergency mode|Welcome to emergency mode|Entering emergency (?:mode|shell)",
        r"Give root password for maintenance|Press Enter for maintenance",
        r"Reached target .*(?:Emergency|Rescue) Mode",
        prompt=True,
    ),
    _sign(
        "cloud-init-failed",
        r"cloud-init\[\d+\]:.*(?:\[(?:ERROR|CRITICAL)\]|Traceback|failed run of)",
        r"Failed to start .*(?:cloud-init|Initial cloud-init|Cloud-init)",
        r"cloud-init.*(?:No instance datasource found|Used fallback datasource)",
    ),
)

# A line that one of these begins is of a new boot: what was seen before may be seen again.
_BEGINS = re.compile(
    r"^SeaBIOS \(version|^iPXE initialising devices|^>>Start (?:PXE|HTTP)|Linux version \d|^Welcome to GRUB"
    r"|^American Megatrends|^BIOS Date|EFI stub:"
)
# What a kernel was started with may hold a token, and tells nothing.
_UNTOLD = re.compile(r"command line:|^\s*(?:kernel|linux|linuxefi) +(?:--|\S*/)", re.IGNORECASE)
_SECRET = re.compile(
    r"((?:token|passw\w*|secret|\bkey)[\"']?\s*[=:]\s*)[^\s&]+|(://[^/\s@:]*:)[^/\s@]+(?=@)", re.IGNORECASE
)
_STAMP = re.compile(r"^(?:\x00*\[\s*\d+\.\d+\]\s*)+")


class ConsoleSigns:
    """Reads one machine's console; each sign is told once per boot."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._seen: set[str] = set()

    def read(self, data: bytes) -> Iterator[Milestone]:
        """The signs in what the machine wrote now."""
        for line in self._lines.add(data):
            if _BEGINS.search(line):
                self._seen.clear()
            yield from self._told(line, SIGNS)
        yield from self._told(self._lines.begun, PROMPTS)

    def _told(self, line: str, signs: tuple[Sign, ...]) -> Iterator[Milestone]:
        if not line or _UNTOLD.search(line):
            return
        sign = next((sign for sign in signs if sign.pattern.search(line)), None)
        if sign is not None and sign.name not in self._seen:
            self._seen.add(sign.name)
            shown = tidy(line)
            yield Milestone("boot.console", f"console: {shown}", data={"sign": sign.name, "line": shown})


PROMPTS = tuple(sign for sign in SIGNS if sign.prompt)


def tidy(line: str) -> str:
    """Without the kernel's time stamp, without what looks like a secret, and not too long."""
    return _SECRET.sub(r"\1\2***", _STAMP.sub("", line)).strip()[:SHOWN]
