"""What is one machine's own on a boot ISO, and the bytes of that ISO with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pxe.cpio import newc
from pxe.grub import quoted
from pxe.media.boot_iso import CONFIGURATION, INITRAMFS, KERNEL, OWN_INITRAMFS, PLACES, BootISO

NETWORK_DATA = "etc/undercloud/network_data.json"  # where the ramdisk looks for its network
_CHUNK = 1 << 20


class TooLarge(ValueError):
    """What a machine is to be told does not fit on its ISO."""


def own_initramfs(network: dict[str, Any] | None) -> bytes:
    """The part of the initramfs that tells a machine its network; without any, the ramdisk asks by DHCP."""
    return newc({NETWORK_DATA: json.dumps(network, sort_keys=True).encode()} if network else {})


def own_part(title: str, arguments: Sequence[str], network: dict[str, Any] | None) -> dict[str, bytes]:
    """What stands in the ISO's places, each as long as its place; raises TooLarge."""
    parts = {
        CONFIGURATION: (_grub(title, arguments).encode(), b"\n"),
        OWN_INITRAMFS: (own_initramfs(network), b"\0"),
    }
    for name, (content, _) in parts.items():
        if len(content) > PLACES[name]:
            raise TooLarge(f"{name} has {len(content)} bytes, and place for {PLACES[name]}")
    return {name: content.ljust(PLACES[name], filler) for name, (content, filler) in parts.items()}


def _grub(title: str, arguments: Sequence[str]) -> str:
    # Uncompressed first: whatever follows a compressed archive depends on where its decompressor stops.
    return (
        f"echo {quoted(title)}\n"
        f"linux /{KERNEL} {' '.join(quoted(argument) for argument in arguments)}\n"
        f"initrd /{OWN_INITRAMFS} /{INITRAMFS}\n"
        "boot\n"
        "echo 'The ramdisk does not start; see above'\n"
        "sleep 600\n"
    )


def content(iso: BootISO, own: dict[str, bytes], start: int, end: int) -> Iterator[bytes]:
    """The bytes [start, end) of the ISO with a machine's own part laid over."""
    overlays = [(iso.places[name][0], data) for name, data in own.items()]
    with iso.path.open("rb") as file:
        file.seek(start)
        while start < end:
            chunk = file.read(min(_CHUNK, end - start))
            if not chunk:
                return
            yield _overlaid(chunk, start, overlays)
            start += len(chunk)


def _overlaid(chunk: bytes, start: int, overlays: list[tuple[int, bytes]]) -> bytes:
    end = start + len(chunk)
    for offset, data in overlays:
        first, last = max(start, offset), min(end, offset + len(data))
        if first < last:
            chunk = chunk[: first - start] + data[first - offset : last - offset] + chunk[last - start :]
    return chunk
