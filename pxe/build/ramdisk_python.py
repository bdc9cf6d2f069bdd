"""The official agent and its libraries in the ramdisk's Python."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from pxe.build.tree import remove
from pxe.process import ProcessError, run

AGENT = "ironic-python-agent"
# setuptools comes with pbr, which needs it only to build packages; its .pth file costs time at every start.
# The rest of a .dist-info is pip's own bookkeeping; what was found where (direct_url.json) differs by build.
_UNUSED = (
    *("setuptools*", "_distutils_hack", "distutils-precedence.pth", "tzdata*", "bin", "*/tests"),
    *("*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/direct_url.json"),
)


def install_agent(root: Path, version: str, wheels: Path | None = None) -> tuple[str, ...]:
    """Put the agent where the ramdisk's Python looks for it; returns what came with it, as `name=version`.

    `wheels` is a folder that has all of it; without, pip's own configuration says where from.
    """
    target = root / site_packages(root).relative_to("/")
    python = target.parts[-2].removeprefix("python")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(target)]
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        pip += ["--python-version", python, "--only-binary=:all:"]
    if wheels:
        pip += ["--no-index", "--find-links", str(wheels)]
    run([*pip, f"{AGENT}=={version}"], env={**_pip_settings(), "PIP_ROOT_USER_ACTION": "ignore"})
    found = sorted(path.name.removesuffix(".dist-info") for path in target.glob("*.dist-info"))
    remove(target, _UNUSED)
    return tuple("=".join(name.rsplit("-", 1)) for name in found)


def _pip_settings() -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "XDG_"))}
    return found | {n: os.environ[n] for n in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE") if n in os.environ}


def site_packages(root: Path) -> Path:
    """Where Debian's Python looks for local packages, as seen from inside the tree."""
    versions = sorted(path.name for path in (root / "usr/lib").glob("python3.*"))
    if not versions:
        raise ProcessError(f"No Python under {root}/usr/lib: the package list of the ramdisk is wrong.")
    return Path("/usr/local/lib") / versions[-1] / "dist-packages"


def compile_all(root: Path) -> None:
    """Byte-compile Debian's Python and what pip installed; unchecked: nobody edits a ramdisk.

    Debian's own byte code names the times of its sources, which change here: each start would compile all.
    """
    for cache in list(root.glob("usr/**/__pycache__")):
        shutil.rmtree(cache)
    # -B and -f: what the compiler itself imports would be kept with the times of its source otherwise.
    # One process, and no random hashes: byte code depends on what its compiler has seen before.
    options = ("-q", "-f", "--invalidation-mode", "unchecked-hash")
    folders = [f"/{path.relative_to(root)}" for path in sorted(root.glob("usr/lib/python3*"))]
    compileall = ("/usr/bin/python3", "-B", "-m", "compileall", *options, *folders, "/usr/local/lib")
    run(["chroot", root, *compileall], env={"PYTHONHASHSEED": "0"})


def record_patterns(root: Path) -> None:
    """Have the agent's start note what it compiles each time (usr/lib/undercloud/agent)."""
    command_line = root / "proc/cmdline"  # the agent reads it while it is loaded
    command_line.touch()
    try:
        # Not as its first line says (-I): tokenize makes its expressions of a set, in an order of hashes.
        start = ("/usr/bin/python3", "-B", "-s", "-S", "/usr/lib/undercloud/agent", "--record")
        run(["chroot", root, *start], env={"PYTHONHASHSEED": "0"})
    finally:
        command_line.unlink()
