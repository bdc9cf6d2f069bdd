"""A libvirtd of the rack's own: the system's libvirt is neither needed nor touched.

libvirtd has its folders compiled in, so it runs where the rack's folders are mounted over them, for it alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmlab.daemon import Daemon
from vmlab.rack import Rack

if TYPE_CHECKING:
    import libvirt

NAME = "libvirtd"
URI = "qemu:///system"
SOCKET = "run/libvirt/libvirt-sock"
FOLDERS = {
    "etc": Path("/etc/libvirt"),
    "lib": Path("/var/lib/libvirt"),
    "run": Path("/run/libvirt"),
    "log": Path("/var/log/libvirt"),
}
CACHE = Path("/var/cache/libvirt")
# Debian's libvirtd refuses to start where this account is missing, though the machines run as root.
ACCOUNT = {
    "passwd": "libvirt-qemu:x:64055:64055:Libvirt Qemu:/var/lib/libvirt:/usr/sbin/nologin",
    "group": "libvirt-qemu:x:64055:",
}

QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = [ ]
stdio_handler = "file"
namespaces = [ ]
"""
LIBVIRTD_CONF = """\
unix_sock_group = "root"
unix_sock_rw_perms = "0770"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:stderr"
"""


def daemon() -> Daemon:
    argv = ["libvirtd", "--pid-file", "/run/libvirt/libvirtd.pid"]
    return Daemon(name=NAME, argv=argv, env={}, ready=_answers)


def prepare(rack: Rack) -> None:
    """Writes the configuration and creates every folder that is mounted."""
    for _, place in [*FOLDERS.items(), ("cache", CACHE)]:
        place.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        _own(rack, name).mkdir(parents=True, exist_ok=True)
    _cache(rack).mkdir(parents=True, exist_ok=True)
    (_own(rack, "etc") / "qemu.conf").write_text(QEMU_CONF)
    (_own(rack, "etc") / "libvirtd.conf").write_text(LIBVIRTD_CONF)
    for file, line in ACCOUNT.items():
        _own(rack, file).write_text(_with_account(Path("/etc", file).read_text(), line))


def binds(rack: Rack) -> list[tuple[Path, Path]]:
    """What is mounted where, for libvirtd and for all that talk to it."""
    folders = [(_own(rack, name), place) for name, place in FOLDERS.items()]
    accounts = [(_own(rack, file), Path("/etc", file)) for file in ACCOUNT]
    return [*folders, (_cache(rack), CACHE), *accounts]


def connect(pid: int) -> libvirt.virConnect:
    """A connection from outside, through the file system as the process itself sees it.

    The rack's own path may be too long for a socket's address (107 characters), this one never is.
    """
    import libvirt

    libvirt.registerErrorHandler(lambda *_: None, None)
    try:
        return libvirt.open(f"{URI}?socket=/proc/{pid}/root/{SOCKET}")
    except libvirt.libvirtError as error:
        raise OSError(str(error)) from None


def _answers(pid: int) -> bool:
    connect(pid).close()
    return True


def _own(rack: Rack, name: str) -> Path:
    return rack.path / "libvirt" / name


def _cache(rack: Rack) -> Path:
    """What libvirt learns about QEMU takes seconds and is the same for every rack."""
    return rack.path.parent.parent / "cache" / "libvirt"


def _with_account(text: str, line: str) -> str:
    name = line.partition(":")[0]
    if any(entry.startswith(f"{name}:") for entry in text.splitlines()):
        return text
    return f"{text.rstrip()}\n{line}\n"
