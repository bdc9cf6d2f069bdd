"""What operators type to work on BMCs, through a seed that listens; as printed."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_seed import LiveSeed, fake, serving

from hwdrivers.bmc import PowerState
from hwdrivers.fake import Fault
from hwdrivers.interfaces import Health, RAIDController, RAIDDisk, RAIDVolume, Sensor

GIB = 1024**3


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSeed]:
    """node-1 speaks IPMI, node-2 and node-3 Redfish, and node-4 nothing."""
    folder = tmp_path_factory.mktemp("live")
    bmcs = [fake("ipmi://192.0.2.1", 1), *(fake(f"redfish://192.0.2.{n}", n) for n in (2, 3, 4))]
    for bmc in bmcs:
        bmc.tasks.at_once = True
    seed = LiveSeed(folder, *bmcs)
    bmcs[3].faults.add(Fault.TIME_OUT)
    with serving(seed.seed, seed.config):
        yield seed


def test_looks_at_many_tell_who_failed_and_why(live: LiveSeed) -> None:
    code, said, complained = live("power", "status", "--all")
    assert (code, said.split()) == (
        1,
        ["NODE", "POWER", "node-1", "power", "off", "node-2", "power", "off", "node-3", "power", "off"],
    )
    assert complained == "node-4: cannot log in: no answer; check the cable\n1 of 4 failed\n"
    code, said, complained = live("media", "list", "--all", "-o", "json")
    rows = {row["node"]: row for row in json.loads(said)}
    assert [slot["id"] for slot in rows["node-2"]["result"]["slots"]] == ["Cd", "Usb"]
    assert (rows["node-1"]["unsupported"], rows["node-4"]["unsupported"]) == (True, False)
    assert (
        "node-1: unsupported: cannot use its virtual media: IPMI has no virtual media; use its redfish:// "
        in (complained)
    )
    assert (code, complained.splitlines()[-1]) == (1, "2 of 4 failed")


@pytest.mark.parametrize(
    ("words", "nodes"),
    [
        (("node-2", "node-2"), ["node-2"]),
        (("--where", "bmc~^redfish", "--where", "name!=node-4"), ["node-2", "node-3"]),
        (
            ("--where", "name~-[12]$", "--where", "maintenance=no", "--where", "power=off"),
            ["node-1", "node-2"],
        ),
        (("--where", "serial=SERIAL-3"), ["node-3"]),
    ],
)
def test_nodes_are_chosen(live: LiveSeed, words: tuple[str, ...], nodes: list[str]) -> None:
    rows = json.loads(live.does("led", "status", *words, "-o", "json"))
    assert [row["node"] for row in rows] == nodes


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name the nodes, or say which"),
        (("node-1", "--all"), "name the nodes, or say which"),
        (("node-1", "nobody"), "there is no node nobody; there are: node-1, node-2"),
        (("--where", "colour=red"), "write FIELD=VALUE"),
        (("--where", "name~("), "no regular expression"),
        (("--where", "state=active"), "no node fits: state=active"),
    ],
)
def test_a_wrong_choice_asks_nobody(live: LiveSeed, words: tuple[str, ...], told: str) -> None:
    before = [len(bmc.logins) for bmc in live.bmcs]
    code, said, complained = live("led", "on", *words)
    assert (code, said) == (1, "")
    assert told in " ".join(complained.split())
    assert [len(bmc.logins) for bmc in live.bmcs] == before
    assert "led on" not in live.deeds()


def test_harmless_changes_are_written_down_first(live: LiveSeed) -> None:
    live.does("led", "on", "node-1", "node-2")
    live.does("boot-device", "cdrom", "node-2", "--mode", "uefi")
    assert live.does("boot-device", "node-2").split()[-3:] == ["node-2", "cdrom", "uefi"]
    code, _, complained = live("boot-device", "floppy", "node-2")
    assert (code, "there is no node floppy (nor such a device: pxe, disk, cdrom)" in complained) == (1, True)
    live.does("media", "attach", "http://10.0.0.1/x.iso", "node-2")
    assert "http://10.0.0.1/x.iso" in live.does("media", "list", "node-2")
    live.does("media", "detach", "node-2")
    assert "Power supply AC lost" in live.does("sel", "node-2", "--clear")
    assert "empty" in live.does("sel", "node-2")
    assert live.deeds(2)[:5] == [
        "led on",
        "boot device cdrom",
        "media Cd http://10.0.0.1/x.iso",
        "media Cd ejected",
        "event log cleared",
    ]
    who = live.events("bmc.asked", 2)[0].data["who"]
    assert [event.message for event in live.events("bmc.asked", 2)] == [
        f"has its identify LED switched on, by {who}",
        f"is to boot from cdrom first in uefi mode, by {who}",
        f"gets http://10.0.0.1/x.iso into its virtual CD drive, by {who}",
        f"has its virtual drives emptied, by {who}",
        f"has its event log cleared, by {who}",
    ]


def test_a_change_that_fails_is_in_the_journal_too(live: LiveSeed) -> None:
    code, _, complained = live("media", "attach", "http://10.0.0.1/x.img", "node-2", "--kind", "Floppy")
    assert (code, "no drive takes Floppy; take CD, DVD, USBStick" in complained) == (1, True)
    assert "no drive takes Floppy" in live.events("bmc.failed", 2)[-1].message
    code, _, complained = live("media", "attach", "ftp://10.0.0.1/x.iso", "node-2")
    assert (code, complained) == (
        1,
        "error: image: is not an http:// or https:// address that a BMC could fetch\n",
    )
    code, _, complained = live("media", "attach", "http://u:geheim@10.0.0.1/x.iso", "node-2")
    assert (code, "user name or password" in complained, "geheim" in complained) == (1, True, False)


def test_sensors_are_shown_with_their_units(live: LiveSeed) -> None:
    assert live.bmcs[2].sensors is not None
    live.bmcs[2].sensors.readings = [
        Sensor("Inlet", "Temperature", 21.5, "Cel", health=Health.OK, high_critical=47),
        Sensor("Fan 1", "Fan", 0, "RPM", health=Health.CRITICAL, low_critical=500),
        Sensor("PSU 2", "Power Supply", state="Presence detected"),
    ]
    said = live.does("sensors", "node-3")
    assert [line.split() for line in said.splitlines()[1:]] == [
        ["node-3", "Inlet", "Temperature", "21.5", "°C", "..47", "OK"],
        ["node-3", "Fan", "1", "Fan", "0", "RPM", "500..", "Critical"],
        ["node-3", "PSU", "2", "Power", "Supply", "Presence", "detected", "-", "-"],
    ]
    assert [line.split()[1] for line in live.does("sensors", "node-3", "--bad").splitlines()[1:]] == ["Fan"]
    assert live.does("sensors", "node-2", "--bad") == "1 answered, and there is nothing to show\n"


def test_power_of_many_and_who_asked(live: LiveSeed) -> None:
    code, said, complained = live("power", "on", "node-1", "node-2", "node-3")
    assert (code, complained) == (0, "")
    assert said.count("power on done") == 3
    assert all(live.bmcs[n].power is PowerState.ON for n in range(3))
    live.put(2, maintenance=True, maintenance_reason="DIMM", maintenance_by="bob")
    code, said, complained = live("power", "off", "node-1", "node-2", "-o", "json")
    live.put(2, maintenance=False)
    assert code == 1
    assert complained.endswith("node-2: is in maintenance (DIMM; bob): end that first\n1 of 2 failed\n")
    assert [run["state"] for run in json.loads(said)] == ["done"]
    assert (live.bmcs[0].power, live.bmcs[1].power) == (PowerState.OFF, PowerState.ON)


def test_a_host_is_not_cut_off_unasked(live: LiveSeed) -> None:
    live.put(3, state="active", power="power on")
    before = len(live.runs(3))
    for action in ("off", "cycle", "reset", "soft"):
        code, said, complained = live("power", action, "node-3")
        assert code == 1
        assert "node-3 (active): its host is " in said
        assert "nothing was changed: nobody can be asked here" in complained
    assert len(live.runs(3)) == before
    live.does("power", "reset", "node-3", "--yes")
    assert live.deeds(3)[-1] == "power reset"
    live.put(3, state="manageable")


def test_settings_are_read_set_and_compared(live: LiveSeed, tmp_path: Path) -> None:
    wanted = tmp_path / "r1.yaml"
    wanted.write_text("BootMode: Bios\nMemFrequency: 2666\nLogicalProc: true\nTurbo: 1\n")
    code, said, _ = live("bios", "diff", "--file", str(wanted), "node-2", "-o", "json")
    assert (code, [(row["name"], row["wanted"], row["value"]) for row in json.loads(said)]) == (
        1,
        [("BootMode", "Bios", "Uefi"), ("MemFrequency", 2666, 2933), ("Turbo", 1, "no such setting")],
    )
    live.does("bios", "set", "BootMode=Bios", "MemFrequency=2666", "node-2")
    said = live.does("bios", "get", "node-2", "--name", "mode")
    assert [line.split() for line in said.splitlines()[1:]] == [
        ["node-2", "BootMode", "Uefi", "Bios", "Uefi,", "Bios"],
        ["node-2", "SystemModel", "R1", "-", "read", "only"],
    ]
    code, said, complained = live("bios", "diff", "node-2", "node-3")
    assert (code, "BootMode" in said, "MemFrequency" in said, "LogicalProc" in said) == (1, True, True, False)
    assert complained == ""
    live.does("bios", "set", "--file", str(wanted), "node-2", "--no-wait")
    code, _, complained = live("bios", "set", "AdminPassword=geheim", "node-2")
    assert (code, "would stand in the journal" in complained, "geheim" in complained) == (1, True, False)


def test_firmware_is_listed_and_updated(live: LiveSeed) -> None:
    code, said, complained = live("firmware", "update", "http://10.0.0.1/b.bin", "node-2")
    assert (code, "say which --component" in complained) == (1, True)
    said = live.does("firmware", "update", "http://10.0.0.1/b.bin", "node-2", "--component", "BIOS")
    assert "BIOS 1.0 → 9.9" in said
    assert ["node-2", "BIOS", "System", "BIOS", "9.9", "yes"] in [
        line.split() for line in live.does("firmware", "list", "node-2").splitlines()
    ]


def test_volumes_are_told_before_they_are_lost(live: LiveSeed, tmp_path: Path) -> None:
    disks = tuple(RAIDDisk(f"D{n}", 480 * GIB, f"S{n}", "M", "SSD") for n in range(2))
    old = RAIDVolume("data", "0", 960 * GIB, ("D0", "D1"), "V0")
    assert live.bmcs[2].raid is not None
    live.bmcs[2].raid.there = [RAIDController("RAID.1", "H740", disks, (old,))]
    file = tmp_path / "volumes.yaml"
    file.write_text("logical_disks:\n- {size_gb: MAX, raid_level: 1, is_root_volume: true}\n")
    code, said, complained = live("raid", "apply", str(file), "node-3")
    assert (code, "say --yes if this is meant" in complained) == (1, True)
    assert said.splitlines() == [
        "node-3: deletes volume data of RAID.1",
        "node-3: makes volume-1: RAID 1, all that there is, of D0, D1",
        "node-3 (manageable): data is lost: volume data (RAID.1/V0), disk D0 serial S0, disk D1 serial S1",
    ]
    live.does("raid", "apply", str(file), "node-3", "--yes")
    assert live.does("raid", "apply", str(file), "node-3") == "node-3: keeps volume-1 (RAID 1 of D0, D1)\n"
    assert "volume" in live.does("raid", "show", "node-3")
    file.write_text("logical_disks:\n- {size_gb: 5000, raid_level: 1}\n")
    code, _, complained = live("raid", "apply", str(file), "node-3", "--yes")
    assert (code, "nothing was changed: RAID 1 of 5000 GiB: takes 2 free disks" in complained) == (1, True)
    file.write_text("logical_disks:\n- {size_gb: 1, raid_levl: 1}\n")
    code, _, complained = live("raid", "apply", str(file), "node-3", "--yes")
    assert (code, "raid_levl" in complained, str(file) in complained) == (1, True, True)


def test_a_console_is_a_terminal(live: LiveSeed) -> None:
    code, _, complained = live("console", "node-2")
    assert (code, "Redfish has no console; use its ipmi:// address" in complained) == (1, True)
    code, _, complained = live("console", "node-1", "--last")
    assert (code, "nothing was captured of node-1 yet" in complained) == (1, True)
    console = live.bmcs[0].console
    assert console is not None
    console.say(b"node-1 login: ")
    keyboard, terminal = pty.openpty()
    argv = [sys.executable, "-m", "bootstrap", "--config", str(live.config), "node", "console", "node-1"]
    with subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True) as command:
        os.close(terminal)
        shown = _until(keyboard, b"", b"login: ")
        assert b"The console of node-1 is open." in shown
        os.write(keyboard, b"root\r\x03~~x\r")
        deadline = time.monotonic() + 20
        while console.typed != b"root\r\x03~~x\r":
            assert time.monotonic() < deadline, console.typed
            time.sleep(0.01)
        console.say(b"Password:")
        _until(keyboard, b"", b"Password:")
        os.write(keyboard, b"~.")
        assert b"The console is closed here" in _until(keyboard, b"", b"the machine goes on.")
        assert command.wait(20) == 0
    os.close(keyboard)
    assert "its console is watched by" in live.events("console")[-1].message


def _until(terminal: int, shown: bytes, what: bytes) -> bytes:
    """What the terminal shows, up to that; gives up after 20 s of silence."""
    while what not in shown:
        ready, _, _ = select.select([terminal], [], [], 20)
        assert ready, shown
        shown += os.read(terminal, 4096)
    return shown


@pytest.mark.parametrize(
    "command",
    [
        *(f"power {action}" for action in ("on", "off", "soft", "cycle", "reset", "status")),
        *("boot-device", "console", "sensors", "sel", "led"),
        *("media list", "media attach", "media detach", "raid show", "raid apply"),
        *("bios get", "bios set", "bios diff", "bios reset", "firmware list", "firmware update"),
    ],
)
def test_every_command_has_an_example(live: LiveSeed, command: str) -> None:
    assert f"undercloud node {command}" in " ".join(live.does(*command.split(), "--help").split())


def test_where_a_console_server_has_its_serial_port(live: LiveSeed) -> None:
    live.does("set", "node-1", "--console", "telnet://acs1.rack7")
    assert json.loads(live.does("show", "node-1", "-o", "json"))["console"] == "telnet://acs1.rack7:23"
    code, said, complained = live("set", "node-1", "--console", "ssh://me:hunter2@acs1")
    assert (code, said) == (1, "")
    assert "write tcp://HOST:PORT" in " ".join(complained.split())
    assert "hunter2" not in complained
    live.does("set", "node-1", "--console", "none")
    assert json.loads(live.does("show", "node-1", "-o", "json"))["console"] is None


def test_virtual_media_is_set_where_a_bmc_can_have_it(live: LiveSeed, tmp_path: Path) -> None:
    file = tmp_path / "network_data.json"
    nic = {"id": "nic", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:02"}
    static = {"link": "nic", "type": "ipv4", "ip_address": "192.0.2.7/24"}
    file.write_text(json.dumps({"links": [nic], "networks": [static]}))
    network = ("--ramdisk-network", str(file))
    live.does("set", "node-2", "--boot-interface", "virtual-media", *network)
    assert (live.node(2).boot_interface, live.node(2).ramdisk_network) == (
        "virtual-media",
        {"links": [nic], "networks": [static]},
    )
    live.does("set", "node-2", "--boot-interface", "pxe", "--ramdisk-network", "none")
    assert (live.node(2).boot_interface, live.node(2).ramdisk_network) == ("pxe", None)

    live.put(1, abilities={"virtual media": {"supported": False, "detail": "IPMI has no virtual media"}})
    code, _, complained = live("set", "node-1", "--boot-interface", "virtual-media")
    assert code == 1
    assert "cannot insert a boot ISO: IPMI has no virtual media" in complained
    assert live.node(1).boot_interface == "pxe"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("links: []", "is no JSON"),
        ('{"links": [{"id": "n", "type": "phy"}], "networks": []}', "has no ethernet_mac_address"),
        (None, "No such file"),
    ],
)
def test_a_wrong_network_file_changes_nothing(
    live: LiveSeed, tmp_path: Path, text: str | None, words: str
) -> None:
    file = tmp_path / "network_data.json"
    if text is not None:
        file.write_text(text)
    code, said, complained = live("set", "node-3", "--ramdisk-network", str(file))
    assert code != 0
    assert words in " ".join((said + complained).split())
    assert live.node(3).ramdisk_network is None
