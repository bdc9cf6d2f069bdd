"""Whose answers are not those of the server that machines should boot from."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from pxe.milestones import Milestone

_ANSWERS = {"boot.dhcpoffer": "offer", "boot.dhcpack": "ack", "boot.dhcpnak": "nak"}


def foreign(found: Milestone, own: Container[str]) -> Milestone | None:
    """As what it shows of another server than `own`; None: it shows none.

    A server's answer may go to the machine alone, unseen; what the machine takes, it broadcasts.
    """
    server = found.data.get("server")
    if not server or server in own:
        return None
    if found.kind == "boot.dhcprequest":
        data = {"server": server, "answer": "request"}
        return replace(
            found, kind="boot.foreign-dhcp", message=f"takes the offer of {server}, another server", data=data
        )
    if found.kind not in _ANSWERS:
        return None
    file = found.data.get("file")
    by = f"{server} (MAC {found.data['server_mac']})" if "server_mac" in found.data else server
    message = f"{found.message} by another server: {by}, {f'boot file {file}' if file else 'no boot file'}"
    data = {**found.data, "answer": _ANSWERS[found.kind]}
    return replace(found, kind="boot.foreign-dhcp", message=message, data=data)
