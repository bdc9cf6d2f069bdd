"""cpio archives in the "new ASCII" format, the one that Linux unpacks an initramfs from.

Linux takes several archives one after another, compressed or not, each starting at a multiple of 4 bytes
(Documentation/driver-api/early-userspace/buffer-format.rst): a small one with what is one machine's own goes
beside the ramdisk that all machines share.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

ALIGNMENT = 4
_MAGIC = "070701"
_END = "TRAILER!!!"


def newc(
    files: Mapping[str, bytes],
    programs: Collection[str] = (),
    folders: Iterable[str] = (),
    private: Collection[str] = (),
) -> bytes:
    """An archive of `files` by path, owned by root and readable by all, with the folders on their way.

    `programs` of them may be executed; `private` ones only root reads; `folders` are made though empty.
    """
    entries = [(folder, stat.S_IFDIR | 0o755, b"") for folder in sorted({*_folders(files), *folders})]
    for path in sorted(files):
        mode = 0o755 if path in programs else 0o600 if path in private else 0o644
        entries.append((path, stat.S_IFREG | mode, files[path]))
    written = (_entry(inode, *entry) for inode, entry in enumerate(entries, start=1))
    return b"".join((*written, _entry(0, _END, 0, b"")))


def _folders(files: Mapping[str, bytes]) -> Iterator[str]:
    parents = {parent for path in files for parent in PurePosixPath(path).parents}
    yield from sorted(str(parent) for parent in parents if parent.name)


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    """c_ino, c_mode, c_uid, c_gid, c_nlink, c_mtime, c_filesize, four device numbers, c_namesize, c_check."""
    encoded = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = (_MAGIC + "".join(f"{field:08x}" for field in fields)).encode()
    return _padded(header + encoded) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)
