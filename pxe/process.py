"""The one way this package runs another program: small environment, no stdin, captured output, no orphans."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# sbin first: a plain user's PATH on Debian lacks it, and sgdisk, mke2fs and dnsmasq live there.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "TMPDIR")
_GRACE_SECONDS = 5.0
_TAIL_LINES = 15

# Which Debian package brings a program, where the name does not tell.
DEBIAN_PACKAGES = {
    "apt-config": "apt",
    "apt-get": "apt",
    "dot": "graphviz",
    "grub-mkimage": "grub-common",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mke2fs": "e2fsprogs",
    "mmd": "mtools",
    "mksquashfs": "squashfs-tools",
    "qemu-img": "qemu-utils",
    "sgdisk": "gdisk",
}


class ProcessError(Exception):
    """A program could not do its work; the text tells the operator which and why."""


class ToolMissing(ProcessError):
    """The program is not installed."""

    def __init__(self, tool: str) -> None:
        package = DEBIAN_PACKAGES.get(tool, tool)
        super().__init__(f"{tool} is not installed. Install it with: apt-get install {package}")
        self.tool = tool


class NotRoot(ProcessError):
    """The work needs root."""


class ToolFailed(ProcessError):
    """The program ran and said no; carries what it was called with and the end of what it printed."""

    def __init__(self, argv: Sequence[str], returncode: int | None, output: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.output_tail = without_credentials("\n".join(output.strip().splitlines()[-_TAIL_LINES:]))
        ended = "did not finish in time" if returncode is None else f"ended with {returncode}"
        command = without_credentials(shlex.join(argv))
        super().__init__(f"{argv[0]} {ended}\ncommand: {command}\n{self.output_tail}")


def without_credentials(text: str) -> str:
    """Hide user:password in URLs: apt and pip print the mirrors they use."""
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)


def require(*tools: str) -> None:
    """Raise ToolMissing for the first of these programs that is not installed."""
    for tool in tools:
        if shutil.which(tool, path=_PATH) is None:
            raise ToolMissing(tool)


def require_root(what: str) -> None:
    """Raise NotRoot before work that would fail half-way."""
    if os.geteuid() != 0:
        raise NotRoot(f"{what} needs root. Run the same command with sudo.")


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    stdout_to: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program to its end and return what it printed on stdout ('' when that went to a file)."""
    words = [str(word) for word in argv]
    with tempfile.TemporaryFile() as errors, _output(stdout_to) as output:
        with _spawn(words, env or {}, cwd, stdin, output, errors) as process:
            try:
                returncode: int | None = process.wait(timeout)
            except subprocess.TimeoutExpired:
                returncode = None
        printed = _text(output) if stdout_to is None else ""
        if returncode != 0:
            raise ToolFailed(words, returncode, printed + _text(errors))
        return printed


@contextmanager
def _spawn(
    argv: list[str],
    env: Mapping[str, str],
    cwd: Path | None,
    stdin: bytes,
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in a process group of its own, and end the whole group if it outlives the block."""
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        try:
            process = subprocess.Popen(
                argv,
                env=environment(env),
                cwd=cwd,
                stdin=given,
                stdout=stdout,
                stderr=stderr,
                process_group=0,
            )
        except FileNotFoundError:
            raise ToolMissing(argv[0]) from None
        try:
            yield process
        finally:
            _end(process)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What a started program sees: fixed PATH and locale, the machine's proxies, what the caller adds."""
    names = [*_PASSED_ON, *(name.upper() for name in _PASSED_ON)]
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {"PATH": _PATH, "HOME": os.environ.get("HOME", "/root"), "LC_ALL": "C.UTF-8", **kept, **extra}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminate, then kill, the program's group; always reap it."""
    if process.poll() is not None:
        return
    for sig in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, sig)
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


@contextmanager
def _output(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        with tempfile.TemporaryFile() as anonymous:
            yield anonymous
    else:
        with path.open("wb") as named:
            yield named


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
