"""Why a machine does not boot: each fault as it shows, the hop that it stops at, and its name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from boot_faults import FAULTS, FIRMWARE, FOREIGN, ON, SAID, sign
from boot_story import (
    MAC,
    NOON,
    OTHER,
    WELL,
    attempt,
    logged,
    seen,
    up_to,
)
from hypothesis import given
from hypothesis import strategies as st

from pxe.console_signs import SIGNS
from pxe.diagnosis.__main__ import table
from pxe.diagnosis.attempt import Attempt, Usual, Way
from pxe.diagnosis.diagnose import RULES, diagnose
from pxe.diagnosis.diagnosis import Verdict
from pxe.milestones import KINDS, Hop, Milestone, StepFault, TFTPFailure


@pytest.mark.parametrize(("name", "rule", "broken"), SAID, ids=[f"{s[0]} {s[1]}" for s in SAID])
def test_what_the_console_says_is_believed(name: str, rule: str, broken: Attempt) -> None:
    assert name in {sign.name for sign in SIGNS}
    told = seen("boot.console", 5000, "console: so it says", sign=name, line="so it says")
    found = diagnose(replace(broken, milestones=(*broken.milestones, told), over=True))
    assert found.id == rule
    assert found.summary.endswith("so it says")


def test_a_stranger_whose_mac_this_console_names_is_this_machine() -> None:
    line = f"Configuring (net0 {OTHER})... No configuration methods succeeded (http://ipxe.org/040ee119)"
    told = attempt(ON, sign("ipxe-no-address", line), sign("no-boot-device", "No bootable device"), later=1)
    found = diagnose(replace(told, strangers=(seen("boot.stranger", mac=OTHER),)))
    assert (found.id, found.verdict) == ("nic.not-known", Verdict.STUCK)
    another = replace(told, strangers=(seen("boot.stranger", mac="52:54:00:00:00:98"),), over=True)
    assert diagnose(another).id == "nic.stranger"


def test_what_the_console_said_before_the_machine_got_further_explains_nothing() -> None:
    early = attempt(ON, sign("no-boot-device", "BdsDxe: failed to load Boot0001: Not Found"), *WELL[1:5])
    assert diagnose(early).id == "loader.no-tftp"


@pytest.mark.parametrize(
    ("name", "hop", "words", "broken", "first"), FAULTS, ids=[f"{f[0]} at {f[1]}" for f in FAULTS]
)
def test_a_fault_is_named(name: str, hop: Hop, words: str, broken: Attempt, first: str) -> None:
    found = diagnose(broken)
    assert (found.id, found.hop, found.verdict) == (name, hop, Verdict.STUCK)
    assert words in found.summary
    assert first in f"{found.causes[0].what} {found.causes[0].do}"
    assert not broken.milestones or any(evidence.at for evidence in found.evidence)
    assert "?" not in found.summary


def test_dnsmasq_logs_of_real_firmware() -> None:
    uefi = attempt(*logged("dnsmasq-uefi.log", "52:54:00:00:00:02", "192.0.2.202"))
    assert (diagnose(uefi).id, diagnose(uefi).hop) == ("script.not-asked", Hop.SCRIPT)
    trouble = attempt(ON, *logged("dnsmasq-trouble.log", "52:54:00:00:00:02", "192.0.2.9"))
    assert diagnose(trouble).id == "dhcp.exhausted"
    ignored = attempt(ON, *logged("dnsmasq-trouble.log", OTHER, "192.0.2.9"))
    assert diagnose(ignored).id == "dhcp.ignored"


# -- never cry wolf ----------------------------------------------------------------------------------


@pytest.mark.parametrize("until", [Hop.HEARTBEAT, Hop.IMAGE])
def test_a_boot_that_goes_well_is_well_at_every_moment(until: Hop) -> None:
    for count in range(1, len(WELL) + 1):
        found = diagnose(attempt(*WELL[:count], later=5, until=until))
        reached = KINDS[WELL[count - 1][0]]
        there = until in {KINDS[told[0]] for told in WELL[:count]}
        assert found.verdict is (Verdict.UP if there else Verdict.UNDER_WAY), (count, reached, found)
        assert found.causes == ()


def test_a_run_that_failed_after_the_boot_is_no_fault_of_the_boot() -> None:
    told = attempt(*up_to("agent.heartbeat"), ("step.failed", {"message": "clean_step: a bad sector"}))
    assert diagnose(told).verdict is Verdict.UP
    assert diagnose(told).summary == "it booted, and the run failed afterwards: clean_step: a bad sector"


def test_secure_boot_that_is_off_refuses_nothing() -> None:
    silent = attempt(*up_to("boot.tftp"), boot_mode="uefi")
    assert diagnose(replace(silent, secure_boot=True)).id == "loader.refused-by-secure-boot"
    assert diagnose(replace(silent, secure_boot=False)).id == "loader.hangs"
    assert diagnose(silent).id == "loader.refused-by-secure-boot"


def test_what_is_usual_here_decides_when_it_is_late() -> None:
    slow = attempt(ON, later=700)
    assert diagnose(slow).verdict is Verdict.STUCK
    usual = {Hop.DISCOVER: Usual(median=400, p90=500, boots=9)}
    assert diagnose(replace(slow, usual=usual)).verdict is Verdict.UNDER_WAY
    quick = {Hop.DISCOVER: Usual(median=10, p90=12, boots=9)}
    assert diagnose(replace(slow, now=NOON + timedelta(seconds=60), usual=quick)).verdict is Verdict.STUCK
    assert diagnose(attempt(ON, later=5, over=True)).verdict is Verdict.STUCK  # its run has failed


@pytest.mark.parametrize("way", list(Way))
def test_a_machine_that_nobody_waits_for_is_well(way: Way) -> None:
    for powered in (True, False, None):
        assert diagnose(attempt(ON, way=way, until=None, powered=powered)).verdict is Verdict.UP
        assert diagnose(attempt(way=way, until=None, powered=powered)).verdict is Verdict.UP


def test_a_site_server_is_no_intruder_to_a_proxy() -> None:
    told = (*FIRMWARE, FOREIGN)
    assert diagnose(attempt(*told, dhcp="proxy")).id == "dhcp.no-offer-proxy"
    with_file = ("boot.foreign-dhcp", {**FOREIGN[1], "file": "pxelinux.0"})
    assert diagnose(attempt(*FIRMWARE, with_file, dhcp="proxy")).id == "dhcp.foreign"


def test_a_boot_file_of_a_foreign_server_explains_nothing_once_the_script_was_asked_for() -> None:
    told = (*FIRMWARE, FOREIGN, *WELL[2:11])
    assert diagnose(attempt(*told)).id == "kernel.not-fetched"


# -- whatever was seen -------------------------------------------------------------------------------

SOME_DATA = st.fixed_dictionaries(
    {},
    optional={
        "architecture": st.sampled_from([0, 7, 16, 27, 99, None]),
        "vendor_class": st.sampled_from(["PXEClient:Arch:00007", "HTTPClient", "dhcpcd", "{mac}", None]),
        "user_class": st.sampled_from(["iPXE", "", None]),
        "server": st.sampled_from(["192.0.2.1", "{0}", None]),
        "file": st.sampled_from(["a.efi", None]),
        "vlan": st.sampled_from([0, 12, None]),
        "sign": st.sampled_from(["secure-boot", "kernel-panic", "unheard-of", "login", None]),
        "line": st.sampled_from(["{broken} %s", "x"]),
        "disks": st.sampled_from([0, 1, None]),
        "reason": st.sampled_from(["ignored", None]),
        "fault": st.sampled_from([*StepFault, None]),
        "failure": st.sampled_from([*TFTPFailure, None]),
    },
)
MILESTONES = st.builds(
    seen,
    kind=st.sampled_from([*KINDS, "something.else"]),
    second=st.floats(0, 5000),
    message=st.sampled_from(["", "no disk", "{server}", "checksum"]),
    data=st.just({}),
).flatmap(lambda m: st.builds(replace, st.just(m), data=SOME_DATA))
ATTEMPTS = st.builds(
    Attempt,
    milestones=st.lists(MILESTONES, max_size=12).map(tuple),
    now=st.floats(0, 9000).map(lambda second: NOON + timedelta(seconds=second)),
    way=st.sampled_from(Way),
    until=st.sampled_from([None, *Hop]),
    over=st.booleans(),
    powered=st.sampled_from([True, False, None]),
    system_uuid=st.sampled_from([None, "a-b"]),
    boot_mode=st.sampled_from([None, "bios", "uefi"]),
    disk_mode=st.sampled_from([None, "bios", "uefi"]),
    boot_interface=st.sampled_from(["pxe", "virtual-media"]),
    dhcp=st.sampled_from(["server", "proxy", "relay", "none"]),
    strangers=st.lists(MILESTONES, max_size=2).map(tuple),
)


@given(ATTEMPTS)
def test_there_is_always_an_answer(broken: Attempt) -> None:
    found = diagnose(broken)
    assert found.hop in Hop
    assert found.summary
    assert bool(found.causes) == (found.verdict is Verdict.STUCK)
    assert (found.verdict is Verdict.UP) == (broken.missing is None)
    for evidence in found.evidence:
        assert str(evidence)


def test_an_attempt_without_times_is_diagnosed() -> None:
    """A capture has its times; a log that was copied by hand need not."""
    bare = (Milestone("boot.dhcpdiscover", "DHCPDISCOVER", mac=MAC),)
    assert diagnose(Attempt(bare, NOON, until=Hop.HEARTBEAT)).id == "dhcp.no-offer"


def test_every_rule_has_a_fault_that_shows_it() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert {rule.id for rule in RULES} - {name for name, *_ in FAULTS} == {rule for _, rule, _ in SAID}


def test_the_documentation_has_the_rules_as_they_are() -> None:
    text = (Path(__file__).parents[2] / "docs" / "why.md").read_text()
    rules = text[text.index("| fault | stops |") :].split("\n\n")[0].rstrip()
    assert rules == table(), "write it again: docs/why.md says how"
