"""The seed as a process in the background: start, stop, look."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bootstrap.client import is_up
from bootstrap.config import Config

__all__ = ["AlreadyRunning", "SeedFailed", "is_up", "pid", "refuse_another", "start", "stop"]


class AlreadyRunning(RuntimeError):
    """Another seed works on this state directory, or listens where this one would."""


class SeedFailed(RuntimeError):
    """The seed does not start or stop; the message has the end of its log."""


def start(config_path: Path, config: Config, *, timeout: float = 60) -> int:
    """Start the seed in a session of its own and wait until it answers; returns its process id."""
    command = [sys.executable, "-m", "bootstrap", "--config", str(config_path.absolute()), "seed", "run"]
    config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config.log_file.touch(mode=0o600)
    with config.log_file.open("ab") as log:
        began = log.tell()
        seed = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + timeout
    while not is_up(config):
        if seed.poll() is not None or time.monotonic() > deadline:
            seed.kill()
            seed.wait()
            raise SeedFailed(f"the seed does not start: {_last_words(config, began)}")
        time.sleep(0.1)
    return seed.pid


def refuse_another(config: Config) -> None:
    """Raise AlreadyRunning when a seed listens on the configured socket that is not this one's."""
    if is_up(config) and pid(config) is None:
        raise AlreadyRunning(
            f"a seed with another state directory than {config.state_dir} listens on {config.socket}; stop "
            "that one, or choose another --socket"
        )


def stop(config: Config, *, timeout: float = 60) -> bool:
    """Stop the seed that works on this state directory; False when there is none."""
    number = pid(config)
    if number is None:
        return False
    os.kill(number, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while pid(config) is not None:
        if time.monotonic() > deadline:
            raise SeedFailed(
                f"the seed (process {number}) does not stop; its steps may take long. Kill it with -9"
            )
        time.sleep(0.1)
    return True


def pid(config: Config) -> int | None:
    """The process id of the seed that holds the state directory's lock (/proc/locks), or None.

    The seed wrote its number into the file, so that an equal inode on another disk is nobody's seed.
    """
    try:
        inode = str(config.lock_file.stat().st_ino)
        written = config.lock_file.read_text()
        held = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except FileNotFoundError:
        return None
    for fields in held:
        if fields[1] == "FLOCK" and fields[4] == written and fields[5].endswith(f":{inode}"):
            return int(written)
    return None


def _last_words(config: Config, began: int) -> str:
    """Its error, if it ended with one, else the end of its log."""
    with config.log_file.open("rb") as log:
        log.seek(began)
        lines = log.read().decode(errors="replace").splitlines()
    if lines and lines[-1].startswith("error: "):
        return f"{lines[-1].removeprefix('error: ')} (its log is {config.log_file})"
    return f"the end of {config.log_file}:\n" + "\n".join(lines[-15:])
