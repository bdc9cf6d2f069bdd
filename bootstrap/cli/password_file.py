"""A password from where nobody else sees it: a file, standard input or the terminal, never an argument."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from bootstrap.cli.console import CommandError


def read_password(file: Path | None) -> str:
    """From the file, '-' from standard input, else asked for on the terminal."""
    if file is None:
        password = typer.prompt("Password", hide_input=True, err=True)
    elif str(file) == "-":
        password = sys.stdin.readline()
    else:
        password = _content(file)
    password = password.strip("\r\n")
    if not password:
        raise CommandError("the password is empty; nothing was stored")
    if "\n" in password:
        raise CommandError(f"{file} has several lines; the password alone must stand there")
    return str(password)


def _content(file: Path) -> str:
    try:
        return file.read_text()
    except UnicodeDecodeError:  # not chained: its text would show the bytes
        raise CommandError(f"--password-file {file}: it is no text") from None
    except OSError as error:
        raise CommandError(f"--password-file {file}: {error.strerror}") from error
