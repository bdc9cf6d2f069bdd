"""Discovery: scan ranges for BMCs, ask each who it is, tell what has changed, and enrol what lets us in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hwdrivers.address import Scheme
from hwdrivers.credentials import Credentials
from hwdrivers.neighbours import Neighbours
from hwdrivers.redfish.service_root import RedfishPort
from hwdrivers.scan import Plan, scan_events
from hwdrivers.targets import IPAddress, parse_port, parse_targets
from seed.bmcs import BMCs
from seed.declarations import Declarations
from seed.discovery_login import MOST_REFUSED, Questions
from seed.discovery_memory import Memory
from seed.discovery_nodes import Nodes
from seed.discovery_round import Order, Round
from seed.discovery_scan import Find
from seed.manifest import Manifest, read_manifest
from seed.store import Store


@dataclass(frozen=True)
class Wish:
    """What an operator asks for; `manifest` is its file's name and text, `rate` in packets per second."""

    ranges: Sequence[str]
    exclude: Sequence[str] = ()
    credentials: Sequence[str] = ()
    protocol: str | None = None
    ports: Sequence[str] = ()
    rate: float | None = None
    enroll: bool = False
    manifest: tuple[str, str] | None = None
    most_refused: int = MOST_REFUSED
    check_defaults: bool = False


@dataclass(frozen=True)
class Prepared:
    """A wish that was checked; `logins` by name, the manifest's among them."""

    targets: tuple[IPAddress, ...]
    plan: Plan
    logins: Mapping[str, Credentials]
    given: tuple[str, ...] = ()
    enroll: bool = False
    manifest: Manifest | None = None
    most_refused: int = MOST_REFUSED
    check_defaults: bool = False


@dataclass(frozen=True)
class Discovery:
    """Finds BMCs; what it finds is told as documents, one after another."""

    store: Store
    declarations: Declarations
    bmcs: BMCs
    find: Find = scan_events
    neighbours: Callable[[], Neighbours] = field(default=Neighbours)

    def prepare(self, wish: Wish) -> Prepared:
        """Check the request before anything is sent; raises RangeError, DocumentError or NotFound."""
        targets = parse_targets(wish.ranges, wish.exclude)
        plan = plan_of(wish)
        manifest = Manifest(read_manifest(wish.manifest[1], wish.manifest[0])) if wish.manifest else None
        given = tuple(dict.fromkeys(wish.credentials))
        places = manifest.places if manifest else ()
        names = dict.fromkeys([*given, *(place.credentials for place in places if place.credentials)])
        with self.store.read() as tx:
            logins = {name: tx.credentials.get(name) for name in names}
        return Prepared(
            targets, plan, logins, given, wish.enroll, manifest, wish.most_refused, wish.check_defaults
        )

    def run(
        self, prepared: Prepared, who: str, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[dict[str, Any]]:
        """Documents with one key: `progress`; `found` (a BMC as a stranger sees it); `machine` (its row,
        told again when more is known); at the end `gone` and, with a manifest, `manifest`.

        Once `ended()`, what was found is kept in the store and nothing more is asked.
        """
        enroll, manifest = prepared.enroll, prepared.manifest
        nodes = Nodes(self.store, self.declarations, who, enroll=enroll, manifest=manifest)
        questions = Questions(
            self.bmcs,
            most_refused=prepared.most_refused,
            check_defaults=prepared.check_defaults,
            with_mac=manifest is not None and manifest.wants_macs,
            ended=ended,
        )
        memory = Memory(self.store, nodes, prepared.targets, prepared.plan, manifest)
        order = Order(nodes, memory, prepared.logins, prepared.given, manifest)
        round_ = Round(memory, questions, order, self.neighbours(), ended)
        yield from round_.documents(self.find, prepared.targets, prepared.plan)


def plan_of(wish: Wish) -> Plan:
    """What is asked at which ports; raises RangeError for a port that is none."""
    ipmi = [] if wish.protocol == "redfish" else [623]
    redfish = [] if wish.protocol == "ipmi" else [RedfishPort(443)]
    for scheme, number in map(parse_port, wish.ports):
        if scheme is Scheme.IPMI:
            ipmi.append(number)
        else:
            redfish.append(RedfishPort(number, scheme is Scheme.REDFISH_HTTPS))
    ports = (tuple(dict.fromkeys(ipmi)), tuple(dict.fromkeys(redfish)))
    return Plan(*ports, rate=wish.rate or Plan.rate, ssdp=wish.protocol != "ipmi")
