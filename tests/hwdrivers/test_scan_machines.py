"""Which findings are one machine, and when it is told."""

from __future__ import annotations

from collections.abc import Iterable

from hwdrivers.address import BMCAddress
from hwdrivers.redfish.service_root import RedfishPort
from hwdrivers.scan import Finding, Plan, Settled
from hwdrivers.scan_machines import Grouping, machines

USUAL = Plan()
SEVERAL = Plan(ipmi_ports=(623, 6231), redfish_ports=(RedfishPort(443), RedfishPort(8443)))


def finding(address: str, uuid: str | None = None) -> Finding:
    parsed = BMCAddress.parse(address)
    return Finding(parsed, "Redfish" if parsed.is_redfish else "IPMI", None, None, "", uuid)


def told(grouping: Grouping, events: Iterable[Finding | Settled]) -> list[list[list[str]]]:
    """After each event, the addresses of each machine that was told."""
    return [
        [[str(f.address) for f in machine.findings] for machine in grouping.take(event)] for event in events
    ]


def test_redfish_over_tls_is_told_at_once_and_again_with_more() -> None:
    web, ipmi = finding("redfish://10.0.0.5"), finding("ipmi://10.0.0.5")
    assert told(Grouping(USUAL), [web, ipmi, Settled("10.0.0.5", "Redfish"), Settled(None, "IPMI")]) == [
        [["redfish+https://10.0.0.5"]],
        [["redfish+https://10.0.0.5", "ipmi://10.0.0.5"]],
        [],
        [],
    ]


def test_ipmi_waits_for_redfish_and_plain_redfish_for_ipmi() -> None:
    ipmi, plain = finding("ipmi://10.0.0.5"), finding("redfish+http://10.0.0.6:8001")
    steps = [
        ipmi,
        Settled("10.0.0.5", "IPMI"),
        plain,
        Settled("10.0.0.5", "Redfish"),
        Settled("10.0.0.6", "Redfish"),
        Settled(None, "IPMI"),
    ]
    assert told(Grouping(USUAL), steps) == [
        [],
        [],
        [],
        [["ipmi://10.0.0.5"]],
        [],
        [["redfish+http://10.0.0.6:8001"]],
    ]


def test_a_scan_that_ended_early_tells_the_rest() -> None:
    grouping = Grouping(USUAL)
    assert told(grouping, [finding("ipmi://10.0.0.5")]) == [[]]
    assert [str(machine.best.address) for machine in grouping.rest()] == ["ipmi://10.0.0.5"]
    assert list(grouping.rest()) == []


def test_what_contradicts_is_several_machines() -> None:
    two = [finding("ipmi://10.0.0.5"), finding("ipmi://10.0.0.5:6231"), finding("redfish://10.0.0.5")]
    assert [len(machine.findings) for machine in machines(two)] == [1, 1, 1]
    services = [finding("redfish://10.0.0.5", "a"), finding("redfish://10.0.0.5:8443", "b")]
    assert len(machines(services)) == 2
    same = [finding("redfish://10.0.0.5", "a"), finding("redfish://10.0.0.5:8443", "a")]
    assert len(machines(same)) == 1


def test_with_several_ports_a_host_is_told_when_all_were_asked() -> None:
    steps = [
        finding("redfish://10.0.0.5"),
        finding("ipmi://10.0.0.5:6231"),
        Settled("10.0.0.5", "Redfish"),
        finding("ipmi://10.0.0.5"),
        Settled("10.0.0.5", "IPMI"),
        Settled(None, "IPMI"),
    ]
    before = told(Grouping(SEVERAL), steps)
    assert before[:4] == [[], [], [], []]
    assert len(before[4]) == 3
    assert before[5] == []
