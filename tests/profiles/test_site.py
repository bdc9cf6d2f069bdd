"""A site: profiles that fill hosts in, references that must be there, machines that are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.document import DocumentError, parse
from profiles.hosts import Host, Match, Role, State
from profiles.site import AmbiguousProfile, Site

SITE = """\
networks:
  provisioning: {cidr: 10.0.0.0/24}
  storage: {cidr: 10.1.0.0/24}
profiles:
  base:
    ssh_keys: [ssh-ed25519 AAAA]
    user_data: {packages: [vim]}
    state: active
  worker:
    extends: base
    image: debian-13
    role: kubernetes
    user_data: {packages: [nfs-common]}
  storage:
    extends: worker
    network: storage
    root_device: {min_size_gib: 100}
hosts:
- match: {serial: S1}
  profile: worker
  name: node-1
  address: 10.0.0.11
- match: {serial: S2}
  profile: storage
  address: 10.1.0.12
  image: debian-12
  role: null
  state: available
- match: {vendor: Acme, model: R1}
  profile: worker
- match: {serial: S4}
  maintenance: a dead DIMM in A2
"""


def read(text: str) -> Site:
    return parse(text, Site, source="site.yaml")


def told(text: str) -> list[str]:
    with pytest.raises(DocumentError) as error:
        read(text)
    return str(error.value).splitlines()


def test_a_host_takes_from_its_profiles_what_it_does_not_say() -> None:
    one, two = read(SITE).filled()[:2]
    assert (one.image, one.role, one.state) == ("debian-13", Role.KUBERNETES, State.ACTIVE)
    assert one.ssh_keys == ("ssh-ed25519 AAAA",)
    assert one.user_data == {"packages": ["nfs-common"]}
    assert one.network == "provisioning"
    assert two.network == "storage"
    assert two.root_device is not None
    assert two.root_device.min_size_gib == 100


def test_what_a_host_says_goes_before_its_profile_also_when_it_says_none() -> None:
    two = read(SITE).host_for({"serial": "S2"})
    assert (two.image, two.role, two.state) == ("debian-12", None, State.AVAILABLE)


def test_a_site_that_was_stored_says_the_same() -> None:
    site = read(SITE)
    again = Site.model_validate(site.document())
    assert again.filled() == site.filled()
    assert again.document() == site.document()


def test_a_host_without_a_state_is_not_moved() -> None:
    assert read("hosts: [{match: {serial: A}}]").hosts[0].state is None


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (
            "profiles:\n  worker:\n    extends: bas\n  base: {}\n",
            ["site.yaml:3: profiles.worker.extends: profile 'bas' is not declared; did you mean 'base'?"],
        ),
        (
            "profiles:\n  a: {extends: b}\n  b: {extends: c}\n  c: {extends: a}\n  d: {extends: a}\n",
            [
                "site.yaml:2: profiles.a.extends: profiles extend each other in a circle: a → b → c → a",
                "site.yaml:3: profiles.b.extends: profiles extend each other in a circle: b → c → a → b",
                "site.yaml:4: profiles.c.extends: profiles extend each other in a circle: c → a → b → c",
            ],
        ),
        (
            "profiles:\n  a:\n    extends: a\n",
            ["site.yaml:3: profiles.a.extends: profiles extend each other in a circle: a → a"],
        ),
        (
            "hosts:\n- match: {serial: S1}\n  profile: worker\n",
            ["site.yaml:3: hosts.0.profile: serial S1: profile 'worker' is not declared; there are: none"],
        ),
        (
            "networks:\n  rack: {cidr: 10.0.0.0/24}\nprofiles:\n  a:\n    network: rak\n",
            ["site.yaml:5: profiles.a.network: network 'rak' is not declared; did you mean 'rack'?"],
        ),
        (
            "networks:\n  rack: {cidr: 10.0.0.0/24}\nprofiles:\n  a: {network: rack}\n"
            "hosts:\n- match: {serial: S1}\n  profile: a\n  address: 10.9.0.1\n",
            ["site.yaml:8: hosts.0.address: serial S1: address 10.9.0.1 is not in network 10.0.0.0/24"],
        ),
        (
            "hosts:\n- match: {vendor: Acme}\n  name: one\n  hostname: one\n",
            [
                "site.yaml:3: hosts.0.name: vendor Acme may be many nodes, and only one can have this name: "
                "match by bmc, serial or name",
                "site.yaml:4: hosts.0.hostname: vendor Acme may be many nodes, and only one can have this "
                "hostname: match by bmc, serial or name",
            ],
        ),
        (
            "profiles:\n  a:\n    state: actve\n",
            [
                "site.yaml:3: profiles.a.state: Input should be 'manageable', 'available', 'active' or "
                "'decommissioned'"
            ],
        ),
        (
            "profiles:\n  a:\n    adress: x\n",
            ["site.yaml:3: unknown key 'profiles.a.adress'"],
        ),
        ("profile: {}\n", ["site.yaml:1: unknown key 'profile'; did you mean 'profiles'?"]),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, findings: list[str]) -> None:
    assert told(text) == findings


@pytest.mark.parametrize("said", ["no", "yes", "off", "''", "7", "[a]"])
def test_a_maintenance_that_may_mean_the_opposite_is_refused(said: str) -> None:
    assert told(f"hosts:\n- match: {{serial: S1}}\n  maintenance: {said}\n") == [
        "site.yaml:3: hosts.0.maintenance: must be true, false, or the reason in words"
    ]


@pytest.mark.parametrize(("said", "meant"), [("true", True), ("false", False), ("a dead fan", "a dead fan")])
def test_maintenance_is_on_off_or_a_reason(said: str, meant: Any) -> None:
    site = read(f"hosts:\n- match: {{serial: S1}}\n  maintenance: {said}\n")
    assert site.hosts[0].maintenance is meant or site.hosts[0].maintenance == meant


def test_what_names_the_machine_weighs_more_than_what_many_share() -> None:
    facts = {"serial": "S1", "vendor": "Acme", "model": "R1"}
    assert read(SITE).host_for(facts).name == "node-1"
    assert read(SITE).host_for({**facts, "serial": "S9"}).role is Role.KUBERNETES


def test_who_is_who_and_who_is_missing() -> None:
    nodes = {
        "a": {"name": "node-1", "serial": "S1", "vendor": "Acme", "model": "R1"},
        "b": {"name": "spare-1", "serial": "S8", "vendor": "Acme", "model": "R1"},
        "c": {"name": "spare-2", "serial": "S9", "vendor": "Acme", "model": "R1"},
        "d": {"name": "other", "serial": "S10", "vendor": "Other", "model": "R1"},
    }
    found = read(SITE).assign(nodes)
    assert {key: host.criteria for key, host in found.hosts.items()} == {
        "a": "serial S1",
        "b": "vendor Acme, model R1",
        "c": "vendor Acme, model R1",
    }
    assert [host.title for host in found.missing] == ["serial S2", "serial S4"]


@pytest.mark.parametrize("criterion", ["serial", "bmc"])
def test_one_machine_that_is_two_nodes_is_an_error_that_names_both(criterion: str) -> None:
    value = "10.0.0.5"
    site = Site(hosts=(Host(match=Match(**{criterion: value})),))
    with pytest.raises(AmbiguousProfile) as error:
        site.assign({"a": {"name": "one", criterion: value}, "b": {"name": "two", criterion: value}})
    assert str(error.value) == (
        f"the declared host {criterion} 10.0.0.5 is two nodes, 'one' (name one, {criterion} 10.0.0.5) and "
        f"'two' (name two, {criterion} 10.0.0.5): match by something that only one of them has, or forget "
        "the one that was enrolled twice"
    )


def test_two_systems_of_one_bmc_are_told_apart_by_what_they_do_not_share() -> None:
    site = Site(
        hosts=(
            Host(match=Match(bmc="10.0.0.5", serial="A"), image="a"),
            Host(match=Match(bmc="10.0.0.5", serial="B"), image="b"),
        )
    )
    nodes = {key: {"name": key, "bmc": "10.0.0.5", "serial": key.upper()} for key in "ab"}
    assert {key: host.image for key, host in site.assign(nodes).hosts.items()} == {"a": "a", "b": "b"}
