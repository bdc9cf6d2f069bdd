"""What a whole site should become: one declaration, matched to nodes, the most specific match winning."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import Field, model_validator

from profiles import templates
from profiles.document import Finding, Location, Strict, refuse
from profiles.hosts import DEFAULT_NETWORK, Becoming, Host, Network, Profile

Facts = dict[str, str | None]


class NoProfile(LookupError):
    """No declaration matches a node."""


class AmbiguousProfile(LookupError):
    """Two equally specific declarations match one node, or one that names a machine matches two nodes."""


@dataclass(frozen=True)
class Assignment:
    """Which host each node is, by the keys that were given, and the declared machines that nobody is."""

    hosts: dict[str, Host]
    missing: tuple[Host, ...]


class Site(Strict):
    """The whole declaration: `site.yaml`."""

    networks: dict[str, Network] = Field(default_factory=dict)
    profiles: dict[str, Profile] = Field(default_factory=dict)
    hosts: tuple[Host, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Site:
        refuse("Site", self._dangling())  # what follows walks from profile to profile
        refuse("Site", self._findings())
        refuse("Site", self._templates())
        return self

    # -- which host a node is ------------------------------------------------------------------------

    def host_for(self, facts: Facts) -> Host:
        """The declaration for a node with these facts, its profile filled in; raises NoProfile, or
        AmbiguousProfile where two are equally specific."""
        return self._filled(self._best(facts, self._matching(facts)))

    def assign(self, nodes: Mapping[str, Facts]) -> Assignment:
        """Who is who; raises AmbiguousProfile naming the nodes or declarations that are mixed up."""
        hosts: dict[str, Host] = {}
        owner: dict[str, Facts] = {}
        met: set[int] = set()
        for key, facts in nodes.items():
            matching = self._matching(facts)
            met |= {id(host) for host in matching}
            if not matching:
                continue
            best = self._best(facts, matching)
            if best.match.identity() and (other := owner.setdefault(best.criteria, facts)) is not facts:
                raise AmbiguousProfile(_two_machines(best, other, facts))
            hosts[key] = self._filled(best)
        absent = (host for host in self.hosts if host.match.identity() and id(host) not in met)
        return Assignment(hosts, tuple(self._filled(host) for host in absent))

    def filled(self) -> tuple[Host, ...]:
        """All hosts, each with what its profile says."""
        return tuple(self._filled(host) for host in self.hosts)

    def document(self) -> dict[str, Any]:
        """As it was written: only so is what a host says told from what its profile says."""
        return self.model_dump(mode="json", exclude_unset=True)

    @cached_property
    def _by_identity(self) -> dict[tuple[str, str] | None, list[Host]]:
        """Hosts by the first thing that names the machine; None: those that match by what many share."""
        index: dict[tuple[str, str] | None, list[Host]] = {}
        for host in self.hosts:
            index.setdefault(next(iter(host.match.identity().items()), None), []).append(host)
        return index

    def _matching(self, facts: Facts) -> list[Host]:
        keys = (None, *((key, value) for key, value in facts.items() if value is not None))
        near = (host for key in keys for host in self._by_identity.get(key, ()))
        return [host for host in near if host.match.matches(facts)]

    def _best(self, facts: Facts, matching: list[Host]) -> Host:
        if not matching:
            raise NoProfile(f"no declared host matches {_words(facts)}")
        depth = max(host.match.specificity() for host in matching)
        best = [host for host in matching if host.match.specificity() == depth]
        if len(best) > 1:
            titles = ", ".join(host.title for host in best)
            raise AmbiguousProfile(f"{len(best)} declared hosts match {_words(facts)} equally: {titles}")
        return best[0]

    def _filled(self, host: Host) -> Host:
        """With everything that its profiles say and it does not."""
        said: dict[str, Any] = {}
        name = host.profile
        while name is not None:
            profile = self.profiles[name]
            own = {key: getattr(profile, key) for key in profile.model_fields_set}
            said = own | said | {"vars": profile.vars | said.get("vars", {})}
            name = said.pop("extends", None)
        update = {key: value for key, value in said.items() if key not in host.model_fields_set}
        return host.model_copy(update=update | {"vars": said.get("vars", {}) | host.vars})

    # -- what is wrong with it -----------------------------------------------------------------------

    def _dangling(self) -> Iterator[Finding]:
        """References to profiles that are not there, or lead in a circle."""
        for name, profile in self.profiles.items():
            where = ("profiles", name, "extends")
            if profile.extends is not None and profile.extends not in self.profiles:
                yield Finding(where, _unknown("profile", profile.extends, self.profiles))
            elif circle := self._circle(name):
                yield Finding(where, f"profiles extend each other in a circle: {' → '.join(circle)}")
        for number, host in enumerate(self.hosts):
            if host.profile is not None and host.profile not in self.profiles:
                words = f"{host.title}: {_unknown('profile', host.profile, self.profiles)}"
                yield Finding(("hosts", number, "profile"), words)

    def _circle(self, start: str) -> tuple[str, ...]:
        """The way from a profile back to itself."""
        way = [start]
        while (profile := self.profiles.get(way[-1])) and profile.extends not in (None, *way[1:]):
            way.append(str(profile.extends))
            if way[-1] == start:
                return tuple(way)
        return ()

    def _findings(self) -> Iterator[Finding]:
        hosts = list(enumerate(self.hosts))
        macs = [(("hosts", n, "macs", m), mac) for n, host in hosts for m, mac in enumerate(host.macs)]
        yield from _repeats("MAC", macs)
        yield from _repeats("address", [(("hosts", n, "address"), host.address) for n, host in hosts])
        yield from _repeats("host name", [(("hosts", n, "hostname"), host.hostname) for n, host in hosts])
        yield from _repeats("name", [(("hosts", n, "name"), host.name) for n, host in hosts])
        matches = [(("hosts", n, "match"), host.criteria) for n, host in hosts]
        yield from _repeats("the match", matches)
        for name, profile in self.profiles.items():
            if profile.network not in (DEFAULT_NETWORK, *self.networks):
                words = _unknown("network", profile.network, self.networks)
                yield Finding(("profiles", name, "network"), words)
        for number, host in hosts:
            yield from self._of_one(number, host)

    def _templates(self) -> Iterator[Finding]:
        """What no host could make of a template, and the variables that a host lacks, at the template."""
        for where, said in self._saying():
            for at, template in said.templated():
                for words in templates.problems(template):
                    yield Finding((*where, *at), words)
        for number, host in enumerate(self.hosts):
            filled = self._filled(host)
            for at, template in filled.templated():
                for words in templates.missing(template, filled.vars):
                    where = self._where(number, host, str(at[0]))
                    yield Finding((*where, *at), f"{host.title}: {words}")

    def _saying(self) -> Iterator[tuple[Location, Becoming]]:
        """All that declares something, and where."""
        yield from ((("profiles", name), profile) for name, profile in self.profiles.items())
        yield from ((("hosts", number), host) for number, host in enumerate(self.hosts))

    def _where(self, number: int, host: Host, key: str) -> Location:
        """Who says what a host has under this key: itself, or one of its profiles."""
        name = host.profile
        if key in host.model_fields_set or name is None:
            return ("hosts", number)
        while name is not None and key not in self.profiles[name].model_fields_set:
            name = self.profiles[name].extends
        return ("profiles", str(name))

    def _of_one(self, number: int, host: Host) -> Iterator[Finding]:
        """What is wrong with the host of this number alone."""
        if not host.match.identity():
            for key in ("name", "macs", "hostname", "address"):
                if getattr(host, key):
                    words = f"{host.criteria} may be many nodes, and only one can have this {key}"
                    yield Finding(("hosts", number, key), f"{words}: match by bmc, serial or name")
        filled = self._filled(host)
        network = self.networks.get(filled.network)
        if network is None and (host.address or filled.network != DEFAULT_NETWORK):
            words = _unknown("network", filled.network, self.networks)
            yield Finding(("hosts", number, "network"), f"{host.title}: {words}")
        elif network and (problem := host.misfit(network)):
            yield Finding(("hosts", number, "address"), f"{host.title}: {problem}")
        if host.address and filled.interfaces and not filled.has_interface_with(host.address):
            words = f"none of its interfaces has the address {host.address}, at which others look for it"
            yield Finding(("hosts", number, "address"), f"{host.title}: {words}")


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known) or 'none'}"
    return f"{kind} '{name}' is not declared; {hint}"


def _two_machines(host: Host, one: Facts, other: Facts) -> str:
    return (
        f"the declared host {host.criteria} is two nodes, '{one.get('name')}' ({_words(one)}) and "
        f"'{other.get('name')}' ({_words(other)}): match by something that only one of them has, or "
        "forget the one that was enrolled twice"
    )


def _words(facts: Facts) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items() if value) or "a node without facts"


def _repeats(what: str, values: Iterable[tuple[Location, str | None]]) -> Iterator[Finding]:
    """A finding for each value that was there before, at its second place."""
    seen: set[str] = set()
    for location, value in values:
        if value is not None and value in seen:
            yield Finding(location, f"{what} {value} is declared twice")
        seen.add(value or "")
