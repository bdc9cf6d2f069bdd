"""A Debian mirror that is named for one build, instead of those that this machine uses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pxe.build.debian import Archive, Source, codename, default_keyring
from pxe.process import ProcessError

_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>.*)")
_OPTIONS = ("signed-by", "trusted")


def read_mirrors(mirrors: Sequence[str], os_release: Path = Path("/etc/os-release")) -> Archive:
    """The archive at URLs (of this machine's release, component main) or lines as of sources.list(5).

    Nothing else is asked: no proxy, and no other option of this machine's apt.
    """
    sources = [_line(text) if text.startswith("deb") else _url(text, os_release) for text in mirrors]
    first = sources[0].suite  # a path, with a slash at its end, where the archive is flat
    release = codename(os_release.read_text()) if first.endswith("/") else first
    return Archive(release, tuple(sources))


def _url(mirror: str, os_release: Path) -> Source:
    return Source(_copied(mirror), codename(os_release.read_text()), ("main",), default_keyring())


def _line(mirror: str) -> Source:
    found = _LINE.fullmatch(mirror.strip())
    if not found:
        raise ProcessError(
            f"'{mirror}' is no line of sources.list(5): deb [trusted=yes] file:///srv/debian bookworm main"
        )
    options = dict(word.partition("=")[::2] for word in (found["options"] or "").split())
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise ProcessError(f"'{mirror}': option {unknown[0]} is none of {', '.join(_OPTIONS)}.")
    trusted = options.get("trusted") == "yes"
    key = options.get("signed-by", "" if trusted else default_keyring())
    return Source(_copied(found["uri"]), found["suite"], tuple(found["components"].split()), key, trusted)


def _copied(uri: str) -> str:
    """A URI that apt knows; of `file:` it would read packages in place, out of the new system's sight."""
    scheme, colon, rest = uri.partition(":")
    if scheme not in ("http", "https", "file", "copy") or not colon:
        raise ProcessError(f"'{uri}' is no mirror: say http://HOST/debian, or file:///srv/debian")
    if scheme != "file":
        return uri
    folder = Path("/", rest.lstrip("/"))
    if not folder.is_dir():
        raise ProcessError(f"There is no folder {folder}, which {uri} names.")
    return f"copy:{folder}"
