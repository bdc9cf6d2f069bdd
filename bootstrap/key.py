"""The key that opens the stored secrets: one file, mode 0600, made once and never silently again."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet


class MissingKey(RuntimeError):
    """The file that opens the stored secrets is gone or is none."""


def cipher(key_file: Path) -> Fernet:
    """The key in `key_file`; raises MissingKey rather than making a new one."""
    try:
        return Fernet(key_file.read_bytes().strip())
    except FileNotFoundError:
        raise MissingKey(
            f"{key_file} is missing: without it the stored BMC passwords cannot be read. Put the file back "
            "from a backup, or delete the store beside it and run `undercloud init` again"
        ) from None
    except ValueError as error:
        raise MissingKey(f"{key_file} holds no key: {error}. Put it back from a backup") from None


def make(key_file: Path) -> None:
    """Write a new key: whole or not at all, so that no crash leaves an empty file."""
    staged = key_file.with_suffix(".new")
    staged.unlink(missing_ok=True)
    staged.touch(mode=0o600)
    with staged.open("wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    staged.rename(key_file)
