"""Carry files to a host over ssh, as one tar stream into its root file system."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from bootstrap.handoff.host import HandoffFailed, HostFile
from bootstrap.ssh import SSH

# Unpacked beside the root file system first, so that each file is replaced whole, and only if it differs.
_INSTALL = """\
staging=$(mktemp -d /var/tmp/undercloud.XXXXXX)
trap 'rm -rf "$staging"' EXIT
tar -x -p --no-same-owner -C "$staging" -f -
cd "$staging"
find . -type f | while read -r file; do
  cmp -s "$file" "/$file" && continue
  mkdir -p "/$(dirname "$file")"
  mv "$file" "/$file"
  echo "$file"
done
"""


def put(ssh: SSH, node: str, files: tuple[HostFile, ...]) -> bool:
    """Write `files`, owned by root; says whether any of them was not there like this already."""
    return bool(ssh.run(node, _INSTALL, stdin=_archive(files)).strip())


def put_once(ssh: SSH, node: str, source: Path, target: str, sha512: str) -> None:
    """Copy a large file unless the host has it, and compare checksums there."""
    check = f"echo '{sha512}  {target}' | sha512sum --check --status"
    present = ssh.run(node, f"test -e {target} && {check} && echo yes || echo no").strip()
    if present == "yes":
        return
    content = source.read_bytes()
    if hashlib.sha512(content).hexdigest() != sha512:
        raise HandoffFailed(f"{source} changed since it was built: undercloud image build-container --force")
    ssh.run(
        node, f"mkdir -p $(dirname {target}); cat > {target}.part; mv {target}.part {target}", stdin=content
    )
    ssh.run(node, check)


def _archive(files: tuple[HostFile, ...]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
