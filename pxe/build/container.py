"""Container images of roles, from Debian packages only and without a registry: one OCI archive each."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pxe.build import debian
from pxe.build.debian import Archive, read_archive, unpack_packages
from pxe.build.manifest import Kind
from pxe.build.recipe import Product, Workshop, fingerprint
from pxe.build.tree import remove, write
from pxe.process import ProcessError, require, require_root, run

_ARCHIVE = "image.tar"
_UNUSED = (
    *("usr/share/man", "usr/share/info", "usr/share/locale"),
    *("usr/share/lintian", "usr/share/bug", "usr/games"),
    *("usr/lib/*/gconv", "usr/share/doc/*/[!c]*", "etc/init.d"),
    *("etc/default", "lib/systemd", "usr/lib/systemd"),
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


@dataclass(frozen=True)
class Role:
    """What a container image holds: `packages` is complete, dependencies are not followed."""

    packages: tuple[str, ...]
    entrypoint: tuple[str, ...]
    folders: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


ROLES = {
    "etcd": Role(
        # A Go program needs the C library; the package's other dependency, adduser, serves its service.
        packages=("etcd-server", "etcd-client", "libc6"),
        entrypoint=("/usr/bin/etcd",),
        folders=("var/lib/etcd", "tmp"),
        labels={"undercloud.role": "control-plane"},
    ),
}


@dataclass(frozen=True)
class ContainerRecipe:
    """The container image of one role."""

    archive: Archive
    name: str
    role: Role

    @property
    def kind(self) -> Kind:
        """A container."""
        return "container"

    @property
    def reference(self) -> str:
        """The name under which `podman load` knows it."""
        return f"localhost/undercloud/{self.name}:latest"

    def fingerprint(self) -> str:
        """The parameters, the mirrors and the source of this recipe."""
        parameters = {"name": self.name, "role": self.role, "archive": self.archive}
        return fingerprint(parameters, (sys.modules[__name__], debian))

    def make(self, workshop: Workshop) -> Product:
        """Unpack the packages and wrap them up."""
        require("buildah", "dpkg-deb")
        require_root("Building a container image")
        tree = workshop.scratch / "tree"
        with workshop.progress.phase("Debian packages"):
            packages = unpack_packages(self.archive, self.role.packages, tree, workshop.scratch)
            furnish(tree, self.role.folders)
        with workshop.progress.phase("OCI archive"):
            self._wrap(tree, workshop.scratch, workshop.product / _ARCHIVE)
        return Product({"archive": _ARCHIVE}, packages, disk_format="oci-archive")

    def _wrap(self, tree: Path, scratch: Path, archive: Path) -> None:
        # Storage of its own, plain copies instead of overlay mounts: nothing stays behind, nothing is shared.
        storage = ("--root", scratch / "storage", "--runroot", scratch / "run", "--storage-driver", "vfs")
        buildah = ("buildah", *map(str, storage))
        container = run([*buildah, "from", "scratch"]).strip()
        run([*buildah, "copy", "--quiet", container, tree, "/"])
        run([*buildah, "config", *self._settings(), container])
        run([*buildah, "commit", "--quiet", container, f"oci-archive:{archive}:{self.reference}"])
        archive.chmod(0o644)

    def _settings(self) -> Sequence[str]:
        labels = [f"--label={key}={value}" for key, value in self.role.labels.items()]
        return [
            f"--entrypoint={json.dumps(self.role.entrypoint)}",
            "--env=PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            *labels,
        ]


def recipe(name: str) -> ContainerRecipe:
    """The recipe of a role's container for this machine's mirrors."""
    if name not in ROLES:
        raise ProcessError(f"There is no recipe for a container {name}. There is: {', '.join(sorted(ROLES))}")
    return ContainerRecipe(read_archive(), name, ROLES[name])


def furnish(tree: Path, folders: Sequence[str]) -> None:
    """Add what programs expect of any root file system, and drop what nobody reads in a container."""
    remove(tree, _UNUSED)
    for folder in ("dev", "etc", "proc", "run", "sys", *folders):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    if "tmp" in folders:
        (tree / "tmp").chmod(0o1777)
    for path, text in _FILES.items():
        write(tree, path, text)
