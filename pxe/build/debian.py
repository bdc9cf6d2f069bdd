"""Debian root file systems from the mirrors this machine already uses: apt knows them, the code does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pxe.process import ProcessError, require, require_root, run

_ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Acquire options that decide whether a mirror can be reached at all; see apt.conf(5), apt-transport-https(1).
_ACQUIRE = re.compile(r"^Acquire::(https?|Retries|Check-Valid-Until|Check-Date|ForceIPv[46])", re.I)


class NoDebianSource(ProcessError):
    """apt on this machine knows no Debian archive for this release."""


@dataclass(frozen=True)
class Source:
    """One line of sources.list: where packages come from and the key that signs them."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False

    def line(self) -> str:
        """As sources.list(5) writes it."""
        options = [f"signed-by={self.signed_by}"] if self.signed_by else []
        options += ["trusted=yes"] if self.trusted else []
        option = f"[{' '.join(options)}] " if options else ""
        return f"deb {option}{self.uri} {self.suite} {' '.join(self.components)}".rstrip()


@dataclass(frozen=True)
class Archive:
    """Everything of Debian that this machine's apt can install for one release."""

    codename: str
    sources: tuple[Source, ...]
    acquire: tuple[str, ...] = ()

    def has(self, component: str) -> bool:
        """Whether the mirror offers a component, e.g. non-free-firmware."""
        return any(component in source.components for source in self.sources)


@dataclass(frozen=True)
class Rootfs:
    """What mmdebstrap is asked for. `setup` and `hooks` are its --setup-hook and --customize-hook commands.

    `$1` is the tree, empty for the first, finished for the second.
    """

    packages: tuple[str, ...]
    variant: str = "minbase"
    dpkg_options: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def read_archive() -> Archive:
    """Ask apt which Debian mirrors, suites and components this machine uses."""
    release = codename(Path("/etc/os-release").read_text())
    targets = run(["apt-get", "indextargets", "Created-By: Packages"])
    sources = parse_index_targets(targets, release, _signed_by)
    if not any(source.suite == release or "-" not in source.suite for source in sources):
        raise NoDebianSource(
            f"apt has no package lists of Debian {release} on this machine. "
            "Check /etc/apt/sources.list.d, then run: apt-get update"
        )
    return Archive(release, sources, parse_acquire(run(["apt-config", "dump"])))


def codename(os_release: str) -> str:
    """Of this machine's Debian, by the text of os-release(5)."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    if values.get("ID", "").strip('"') != "debian" or "VERSION_CODENAME" not in values:
        raise NoDebianSource(
            "Images are built from this machine's own Debian mirror, and this is not Debian."
        )
    return values["VERSION_CODENAME"].strip('"')


def _signed_by(entry: str) -> str:
    """Which keyring the source at a Sourcesentry (file:number) names; '' where it names none."""
    path, _, number = entry.rpartition(":")
    file = Path(path)
    if not number.isdigit() or not file.is_file():
        return ""
    return parse_signed_by(file.read_text(), int(number), deb822=file.suffix == ".sources")


def parse_signed_by(text: str, number: int, *, deb822: bool) -> str:
    """Read Signed-By of the number-th stanza (.sources) or line (.list); an inline key is left to apt."""
    if deb822:
        stanzas = [stanza for stanza in re.split(r"\n\s*\n", text) if re.search(r"^[A-Za-z]", stanza, re.M)]
        stanza = stanzas[number - 1] if number <= len(stanzas) else ""
        found = re.search(r"^Signed-By:[ \t]*(/\S+)", stanza, re.M | re.I)
    else:
        lines = text.splitlines()
        found = re.search(
            r"\[.*?signed-by=([^\s\]]+)", lines[number - 1] if number <= len(lines) else "", re.I
        )
    return found.group(1) if found else ""


def parse_index_targets(text: str, codename: str, signed_by: Callable[[str], str]) -> tuple[Source, ...]:
    """Keep what Debian itself publishes for this release: main archive, updates and security.

    `text` is the output of `apt-get indextargets`. The origin and code name come from the signed
    Release file, so another vendor's repository cannot pass for Debian; back-ports are left out.
    """
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    components: dict[tuple[str, str, str], list[str]] = {}
    for target in _stanzas(text):
        if target.get("Origin") != "Debian" or target.get("Codename") not in suites:
            continue
        keyring = signed_by(target.get("Sourcesentry", "")) or default_keyring()
        known = components.setdefault((target["Repo-URI"], target["Release"], keyring), [])
        if target["Component"] not in known:
            known.append(target["Component"])
    return tuple(Source(uri, suite, tuple(names), key) for (uri, suite, key), names in components.items())


def default_keyring() -> str:
    """The key of Debian's archive, where this machine has it."""
    return str(_ARCHIVE_KEYRING) if _ARCHIVE_KEYRING.exists() else ""


def _stanzas(text: str) -> Iterator[Mapping[str, str]]:
    for stanza in text.split("\n\n"):
        pairs = (line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        fields = {key: value.strip() for key, value in pairs}
        if fields:
            yield fields


def parse_acquire(dump: str) -> tuple[str, ...]:
    """The lines of `apt-config dump` that a build needs to reach the same mirrors (proxies, checks)."""
    return tuple(line for line in dump.splitlines() if _ACQUIRE.match(line) and not line.endswith(' "";'))


def make_rootfs(archive: Archive, rootfs: Rootfs, target: Path, work: Path) -> None:
    """Unpack and configure the packages under `target`. Needs root; mounts stay in mmdebstrap's namespace."""
    require("mmdebstrap")
    require_root("Unpacking a Debian system")
    apt_conf = work / "apt.conf"
    apt_conf.write_text("\n".join([*archive.acquire, 'APT::Install-Recommends "false";', ""]))
    lines = "".join(source.line() + "\n" for source in archive.sources)
    # Sources go by stdin and options by file: a mirror's password must not show in the process list.
    run(
        [
            *("mmdebstrap", "--mode=root", "--format=directory", f"--variant={rootfs.variant}", "--quiet"),
            f"--aptopt={apt_conf}",
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt={option}" for option in rootfs.dpkg_options),
            f"--include={','.join(rootfs.packages)}",
            *(f"--setup-hook={hook}" for hook in rootfs.setup),
            *(f"--customize-hook={hook}" for hook in rootfs.hooks),
            *(archive.codename, target, "-"),
        ],
        env={"TMPDIR": str(work), "DEBIAN_FRONTEND": "noninteractive", **rootfs.env},
        stdin=lines.encode(),
    )
    (target / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)


def installed_packages(root: Path) -> tuple[str, ...]:
    """`name=version` of every installed Debian package in the tree, sorted."""
    listing = run(["dpkg-query", f"--root={root}", "-W", "-f", "${db:Status-Abbrev}${Package}=${Version}\\n"])
    return tuple(sorted(line[3:].strip() for line in listing.splitlines() if line.startswith("ii")))


def unpack_packages(archive: Archive, packages: Sequence[str], tree: Path, work: Path) -> tuple[str, ...]:
    """Unpack just these packages, neither dependencies nor scripts; returns their `name=version`.

    apt checks the signatures as always: it uses this machine's package lists, but no other vendor's.
    """
    (work / "sources.list").write_text("".join(source.line() + "\n" for source in archive.sources))
    debs = work / "debs"
    debs.mkdir()
    options = {
        "Dir::Etc::SourceList": str(work / "sources.list"),
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    run(["apt-get", "--quiet=2", *words, "download", *packages], cwd=debs)
    found = sorted(debs.glob("*.deb"))
    for deb in found:
        run(["dpkg-deb", "--extract", deb, tree])
    show = "--showformat=${Package}=${Version}"
    return tuple(run(["dpkg-deb", "--show", show, deb]).strip() for deb in found)


def without_files(patterns: Sequence[str], kept: Sequence[str] = ()) -> tuple[str, ...]:
    """dpkg options that keep files from being unpacked at all (dpkg(1), --path-exclude)."""
    return (*(f"path-exclude={p}" for p in patterns), *(f"path-include={p}" for p in kept))


# What nobody reads on a machine that nobody logs in to; licences are kept.
UNREAD = without_files(
    (
        "/usr/share/man/*",
        "/usr/share/info/*",
        "/usr/share/doc/*",
        "/usr/share/locale/*",
        "/usr/share/lintian/*",
    ),
    ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias"),
)
