"""What cloud-init takes as user data: keys, or a text whose first line says what it is."""

from __future__ import annotations

from email import message_from_string
from pathlib import Path
from typing import Any

import yaml

CLOUD_CONFIG = "#cloud-config"
JINJA = "## template: jinja"
_KINDS = (CLOUD_CONFIG, "#cloud-boothook", "#cloud-config-archive", "#include", "#part-handler", "#!", JINJA)
LARGEST = 64 << 10  # bytes; OpenStack's limit, and the whole config drive gets 64 MB at most


def checked(given: dict[str, Any] | str) -> dict[str, Any] | str:
    """Refuse what cloud-init would ignore with a line in a log that nobody reads."""
    if isinstance(given, dict):
        return given
    if len(given.encode()) > LARGEST:
        raise ValueError(
            f"{len(given.encode()) >> 10} KiB are more than the {LARGEST >> 10} KiB that are taken"
        )
    if not given.startswith(_KINDS) and not is_multipart(given):
        first = given.splitlines()[0][:40] if given.strip() else ""
        raise ValueError(
            f"cloud-init would not know what to do with a text that begins with '{first}': its first line "
            f"must be {CLOUD_CONFIG}, #!/bin/sh or the like, or the text a MIME multi-part message"
        )
    if given.startswith((f"{CLOUD_CONFIG}\n", f"{CLOUD_CONFIG}\r")):
        cloud_config(given)
    return given


def is_multipart(text: str) -> bool:
    """Whether it is a MIME archive, as cloud-init's make-mime writes it."""
    return text.startswith(("Content-Type:", "MIME-Version:")) and message_from_string(text).is_multipart()


def cloud_config(text: str) -> dict[str, Any]:
    """The keys of a #cloud-config text, by YAML 1.1 as cloud-init reads it; raises ValueError."""
    try:
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"it is no YAML: {line}{error.problem}") from None
    if content is not None and not isinstance(content, dict):
        raise ValueError(f"what follows {CLOUD_CONFIG} must be keys with values")
    return content or {}


def read(path: Path) -> str:
    """A file of user data; raises ValueError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text") from None
