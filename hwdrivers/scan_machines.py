"""Which findings of a scan are one BMC, and when enough is known to log in to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hwdrivers.address import Scheme
from hwdrivers.scan import Finding, Plan, Settled


@dataclass(frozen=True)
class FoundMachine:
    """Everything that answered at one IP address.

    `best` is Redfish over TLS where there is any: it tells more (serial, NICs, firmware), and IPMI shows a
    hash of the password to whoever asks (IPMI 2.0 section 13.21, RAKP message 2). The others are kept: IPMI
    is what still answers when the web server of a BMC hangs. Redfish without TLS comes last.
    """

    best: Finding
    others: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (self.best, *self.others)


def machines(findings: Iterable[Finding]) -> tuple[FoundMachine, ...]:
    """One machine per IP address, in the order found; several where the findings contradict each other."""
    by_host: dict[str, list[Finding]] = {}
    for finding in findings:
        by_host.setdefault(finding.address.host, []).append(finding)
    return tuple(machine for group in by_host.values() for machine in _apart(group))


def _apart(group: list[Finding]) -> Iterator[FoundMachine]:
    """A BMC has one IPMI port and one service; two of either are two BMCs behind one address (a lab, NAT)."""
    ipmi = sum(finding.address.scheme is Scheme.IPMI for finding in group)
    services = {finding.uuid for finding in group if finding.uuid}
    if ipmi > 1 or len(services) > 1:
        yield from (FoundMachine(finding) for finding in group)
    else:
        best, *others = sorted(group, key=_preference)
        yield FoundMachine(best, tuple(others))


def _preference(finding: Finding) -> int:
    """Redfish over TLS, then IPMI, and last what would carry the password in clear text."""
    return (Scheme.REDFISH_HTTPS, Scheme.IPMI, Scheme.REDFISH_HTTP).index(
        finding.address.scheme or Scheme.IPMI
    )


class Grouping:
    """Puts machines together while a scan goes on: each is told once, and again when more of it answered.

    With one port for each protocol a Redfish service over TLS is told at once, for nothing better can come;
    everything else waits until its host was asked all. A port that is silent while another answers is waited
    for no longer than a round.
    """

    def __init__(self, plan: Plan) -> None:
        self._over = {
            "IPMI": not plan.ipmi_ports,
            "Redfish": not plan.redfish_ports,
        }
        self._plain = len(plan.ipmi_ports) <= 1 and len(plan.redfish_ports) <= 1
        self._heard: dict[str, list[Finding]] = {}
        self._settled: set[tuple[str, str]] = set()
        self._told: dict[str, tuple[FoundMachine, ...]] = {}

    def take(self, event: Finding | Settled) -> Iterator[FoundMachine]:
        """The machines that can be told now."""
        if isinstance(event, Finding):
            host = event.address.host
            self._heard.setdefault(host, []).append(event)
            yield from self._look(host)
        elif event.host is not None:
            self._settled.add((event.host, event.protocol))
            yield from self._look(event.host)
        else:
            self._over[event.protocol] = True
            for host in self._heard:
                yield from self._look(host)

    def rest(self) -> Iterator[FoundMachine]:
        """Those that a scan which ended early has not settled."""
        self._over = dict.fromkeys(self._over, True)
        for host in self._heard:
            yield from self._look(host)

    def _look(self, host: str) -> Iterator[FoundMachine]:
        if host not in self._heard or not self._is_ready(host):
            return
        now = machines(self._heard[host])
        yield from (machine for machine in now if machine not in self._told.get(host, ()))
        self._told[host] = now

    def _is_ready(self, host: str) -> bool:
        schemes = [finding.address.scheme for finding in self._heard[host]]
        if self._plain and Scheme.REDFISH_HTTPS in schemes:
            return True
        return all(over or (host, protocol) in self._settled for protocol, over in self._over.items())
