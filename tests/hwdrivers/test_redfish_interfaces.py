"""What a Redfish BMC offers besides power, on recorded trees that change and on sushy-tools."""

from __future__ import annotations

import functools
import http.server
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import endpoint, sushy_tools_peer, tree_peer

from hwdrivers.bmc import BootDevice, BootMode, PowerAction
from hwdrivers.credentials import Secret
from hwdrivers.errors import BMCError, Unsupported
from hwdrivers.interfaces import Ability, Account, Health, Interface, RAIDVolume, Sensor, TaskState
from hwdrivers.redfish.driver import Redfish
from hwdrivers.redfish.quirks import ROWS, Quirk, quirks_of

DELL = "/redfish/v1/Systems/System.Embedded.1"
VOLUMES = f"{DELL}/Storage/RAID.Slot.7-1/Volumes"
DMTF = "/redfish/v1/Systems/437XR1138R2"
CD = f"{DMTF}/VirtualMedia/CD1"
IMAGE = "http://192.0.2.1/agent.iso"


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[tuple[Any, Redfish]]:
    pytest.importorskip("sushy_tools")
    with sushy_tools_peer(tmp_path) as peer:
        bmc = Redfish(endpoint(peer.address))
        yield peer, bmc
        bmc.close()


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """A URL of an image that can be fetched."""
    (tmp_path / "agent.iso").write_bytes(b"x" * 4096)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/agent.iso"
        server.shutdown()
        thread.join()


def test_what_each_model_can_do_is_told_for_every_interface() -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        abilities = bmc.abilities()
        before = len(peer.state()["requests"])
        assert bmc.abilities() == abilities
        assert len(peer.state()["requests"]) == before
        bmc.close()
    assert list(abilities) == list(Interface)
    assert abilities[Interface.SENSORS] == Ability(True, "Thermal")
    assert abilities[Interface.EVENT_LOG] == Ability(True, "Health Event Log Service")
    assert abilities[Interface.LED] == Ability(True, "IndicatorLED")
    assert abilities[Interface.BOOT_DEVICE] == Ability(True, "pxe, disk, cdrom")
    assert abilities[Interface.CONSOLE] == Ability(
        False, "its manager offers SSH, IPMI: use its ipmi:// address"
    )
    lacking = {name for name, ability in abilities.items() if not ability.supported}
    assert lacking == {
        Interface.BOOT_MODE,
        Interface.MEDIA,
        Interface.BIOS,
        Interface.SECURE_BOOT,
        Interface.RAID,
        Interface.FIRMWARE,
        Interface.CONSOLE,
    }
    assert all(abilities[name].detail for name in lacking)


def test_abilities_that_could_not_be_asked_for_are_asked_for_again() -> None:
    busy = {"GET /redfish/v1/UpdateService": (503, "{}", {"Retry-After": "0"}, 2)}
    with tree_peer("dmtf-rackmount1", busy) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.abilities()[Interface.FIRMWARE] == Ability(False, "HTTP 503: no reason given")
        assert bmc.abilities()[Interface.FIRMWARE] == Ability(True, "list, update")
        bmc.close()


def test_sensors_of_an_old_service_are_read_from_thermal_and_power() -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        sensors = {sensor.name: sensor for sensor in bmc.sensors.read()}
        bmc.close()
    assert sensors["CPU Temp"] == Sensor("CPU Temp", "Temperature", None, "Cel", "Absent")
    assert sensors["System Power Control"] == Sensor(
        "System Power Control", "Power", 0, "W", health=Health.OK
    )


def test_sensors_of_a_new_service_have_their_thresholds() -> None:
    with tree_peer("dmtf-rackmount1") as peer:
        bmc = Redfish(endpoint(peer.address))
        sensors = {sensor.name: sensor for sensor in bmc.sensors.read()}
        bmc.close()
    assert sensors["CPU #1 Temperature"] == Sensor(
        "CPU #1 Temperature", "Temperature", 37, "Cel", health=Health.OK, high_critical=45
    )
    assert {sensor.unit for sensor in sensors.values()} <= {"Cel", "RPM", "%", "W", "V", "A", "kW.h", None}


def test_the_event_log_is_read_in_order_and_cleared() -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        entries = bmc.event_log.entries()
        times = [entry.at for entry in entries if entry.at]
        assert len(entries) == 4
        assert times == sorted(times)
        assert entries[-1].message == "[ OEM ] Correctable ECC @DIMMB1"
        assert entries[-1].sensor == "Memory"
        bmc.event_log.clear()
        assert bmc.event_log.entries() == ()
        assert peer.state()["done"] == ["LogService.ClearLog"]
        bmc.close()


def test_logs_of_system_and_manager_are_told_apart() -> None:
    with tree_peer("dmtf-rackmount1") as peer:
        bmc = Redfish(endpoint(peer.address))
        assert {entry.id for entry in bmc.event_log.entries()} == {"Log1/1", "Log1/2", "Log/1"}
        bmc.close()


@pytest.mark.parametrize(
    ("tree", "more", "body"),
    [
        ("supermicro-x10", {}, {"IndicatorLED": "Lit"}),
        ("dmtf-rackmount1", {"LocationIndicatorActive": False}, {"LocationIndicatorActive": True}),
    ],
)
def test_the_led_is_lit_in_the_words_of_the_model(
    tree: str, more: dict[str, Any], body: dict[str, Any]
) -> None:
    system = {"IndicatorLED": "Off", **more}
    with tree_peer(tree, more={DMTF: system}, faults=("etags",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.led.lit() is False
        bmc.led.set(True)
        assert bmc.led.lit() is True
        assert peer.state()["bodies"] == [body]
        bmc.led.set(False)
        assert bmc.led.lit() is False
        bmc.close()


def test_led_and_secure_boot_on_sushy_tools(tools: tuple[Any, Redfish]) -> None:
    peer, bmc = tools
    bmc.led.set(True)
    assert peer.state()["led"] == "Lit"
    assert bmc.led.lit() is True
    for on in (True, False):
        bmc.secure_boot.set(on)
        assert bmc.secure_boot.enabled() is on
        assert peer.state()["secure boot"] is on


def test_virtual_media_on_sushy_tools(tools: tuple[Any, Redfish], image: str) -> None:
    peer, bmc = tools
    assert {slot.image for slot in bmc.media.slots()} == {None}
    slot = bmc.media.attach(image)
    assert (slot.image, "CD" in slot.kinds) == (image, True)
    assert bmc.media.attach(image).image == image
    assert peer.state()["media"]["Cd"][0].endswith("agent.iso")
    bmc.media.detach()
    bmc.media.detach()
    assert {slot.image for slot in bmc.media.slots()} == {None}
    assert peer.state()["media"]["Cd"][0] is None


def test_virtual_media_without_actions_is_patched() -> None:
    with tree_peer("dmtf-rackmount1", faults=("etags",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.media.attach(IMAGE).image == IMAGE
        eject, insert = peer.state()["bodies"]
        assert eject == {"Image": None, "Inserted": False}
        assert insert == {"Image": IMAGE, "Inserted": True, "WriteProtected": True}
        with pytest.raises(Unsupported, match="its drives take CD, DVD, "):
            bmc.media.attach(IMAGE, "Tape")
        bmc.media.detach("CD")
        assert [slot.image for slot in bmc.media.slots() if "CD" in slot.kinds] == [None]
        bmc.close()


def test_media_of_the_manager_where_the_system_has_none_and_slots_that_take_no_url() -> None:
    drives = "/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia"
    insert = {"#VirtualMedia.InsertMedia": {"target": f"{drives}/EXT1/Actions/VirtualMedia.InsertMedia"}}
    more = {
        DELL: {"Manufacturer": "Lenovo", "Links": {"ManagedBy": [{"@odata.id": "/redfish/v1/Managers/1"}]}},
        "/redfish/v1/Managers/1": {"VirtualMedia": {"@odata.id": drives}},
        drives: {"Members": [{"@odata.id": f"{drives}/{name}"} for name in ("RDOC1", "Remote1", "EXT1")]},
        f"{drives}/RDOC1": {"Id": "RDOC1", "MediaTypes": ["CD"]},
        f"{drives}/Remote1": {"Id": "Remote1", "MediaTypes": ["CD"]},
        f"{drives}/EXT1": {"Id": "EXT1", "MediaTypes": ["DVD"], "Image": None, "Actions": insert},
    }
    with tree_peer("dell-r820", more=more) as peer:
        bmc = Redfish(endpoint(peer.address))
        slot = bmc.media.attach(IMAGE)
        assert (slot.id, slot.image) == ("EXT1", IMAGE)
        bmc.close()


def test_bios_settings_with_their_registry_on_sushy_tools(tools: tuple[Any, Redfish]) -> None:
    peer, bmc = tools
    settings = {setting.name: setting for setting in bmc.bios.settings()}
    assert list(settings) == ["BootMode", "NicBoot1", "ProcTurboMode"]
    assert (settings["BootMode"].value, settings["BootMode"].allowed) == ("Uefi", ("Bios", "Uefi"))
    assert settings["ProcTurboMode"].help is not None
    bmc.bios.apply({"BootMode": "Bios"})
    assert peer.state()["bios"]["BootMode"] == "Bios"
    before = peer.state()["bios"]
    with pytest.raises(BMCError) as caught:
        bmc.bios.apply({"ProcTurboMode": "Disabled", "BootMode": "Coreboot", "ProcTurbo": "Disabled"})
    assert "BootMode is one of Bios, Uefi, not 'Coreboot'" in str(caught.value)
    assert "there is no ProcTurbo (did you mean ProcTurboMode?)" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert peer.state()["bios"] == before
    bmc.bios.reset()
    assert peer.state()["bios"]["BootMode"] == "Uefi"


BIOS = f"{DELL}/Bios"
BIOS_TREE = {
    BIOS: {
        "AttributeRegistry": "BiosAttributeRegistry.v1_0_3",
        "Attributes": {"Cores": 4, "Numa": True, "Serial": "x", "ProcVirtualization": "Enabled"},
        "@Redfish.Settings": {
            "SettingsObject": {"@odata.id": f"{BIOS}/Settings"},
            "SupportedApplyTimes": ["OnReset", "InMaintenanceWindowOnReset"],
        },
    },
    f"{BIOS}/Settings": {"Attributes": {}},
    "/redfish/v1/Registries": {
        "Members": [
            {"@odata.id": "/redfish/v1/Registries/Messages"},
            {"@odata.id": "/redfish/v1/Registries/BiosAttributeRegistry"},
        ]
    },
    "/redfish/v1/Registries/BiosAttributeRegistry": {
        "Location": [{"Language": "ja", "Uri": "/none"}, {"Language": "en", "Uri": f"{BIOS}/BiosRegistry"}]
    },
    f"{BIOS}/BiosRegistry": {
        "RegistryEntries": {
            "Attributes": [
                {"AttributeName": "Cores", "Type": "Integer", "LowerBound": 1, "UpperBound": 8},
                {"AttributeName": "Numa", "Type": "Boolean"},
                {"AttributeName": "Serial", "Type": "String", "ReadOnly": True},
            ]
        }
    },
}


def test_bios_values_are_staged_for_the_next_reset_and_told_as_pending() -> None:
    with tree_peer("dell-r820", more=BIOS_TREE, faults=("etags",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.bios.apply({"Cores": "6", "Numa": "true", "ProcVirtualization": "Disabled"})
        (body,) = peer.state()["bodies"]
        assert body["Attributes"] == {"Cores": 6, "ProcVirtualization": "Disabled"}
        assert body["@Redfish.SettingsApplyTime"]["ApplyTime"] == "OnReset"
        settings = {setting.name: (setting.value, setting.pending) for setting in bmc.bios.settings()}
        assert settings["Cores"] == (4, 6)
        assert settings["Numa"] == (True, None)
        bmc.bios.apply({"Cores": 6})
        for wrong in ({"Cores": 9}, {"Cores": "many"}, {"Numa": "perhaps"}, {"Serial": "y"}, {"Nuna": True}):
            with pytest.raises(BMCError, match="nothing was changed"):
                bmc.bios.apply(wrong)
        assert len(peer.state()["bodies"]) == 1
        bmc.close()


def test_raid_of_an_idrac_7() -> None:
    with tree_peer("dell-r820") as peer:
        bmc = Redfish(endpoint(peer.address))
        (controller,) = bmc.raid.controllers()
        assert (controller.id, controller.model) == ("RAID.Slot.7-1", "PERC H710 Adapter")
        assert controller.disks[0].serial == "63A0A011FQ87"
        disks = tuple(disk.id for disk in controller.disks[:2])
        assert (
            RAIDVolume("root", "1", 146163105792, disks, "Disk.Virtual.0:RAID.Slot.7-1") in controller.volumes
        )
        task = bmc.raid.create("RAID.Slot.7-1", RAIDVolume("data", "1", disks=disks))
        assert task is not None
        assert bmc.firmware.progress(task.monitor) == TaskState(False, 40, "Running")
        assert bmc.firmware.progress(task.monitor) == TaskState(True, 100)
        (made,) = [v for v in bmc.raid.controllers()[0].volumes if v.id == "new"]
        assert (made.name, made.level) == ("data", "1")
        # The word of its time (Volume 1.0.3), not RAIDType.
        assert peer.state()["bodies"][-1]["VolumeType"] == "Mirrored"
        bmc.raid.delete("RAID.Slot.7-1", "new")
        assert peer.state()["done"][-1] == f"delete {VOLUMES}/new"
        bmc.close()


@pytest.mark.parametrize(
    ("controller", "volume", "words"),
    [
        (
            "RAID.Slot.9",
            RAIDVolume("x", "1"),
            "there is no RAID controller RAID.Slot.9; use one of RAID.Slot.7-1",
        ),
        ("RAID.Slot.7-1", RAIDVolume("x", "7"), "there is no such level; use one of 0, 1, 5"),
        (
            "RAID.Slot.7-1",
            RAIDVolume("x", "1", disks=("sda", "sdb")),
            "there is no disk sda, sdb; use one of Disk",
        ),
        ("RAID.Slot.7-1", RAIDVolume("x", "5", disks=()), "it needs 3 disks"),
    ],
)
def test_a_volume_that_cannot_be_is_refused_before_anything_is_sent(
    controller: str, volume: RAIDVolume, words: str
) -> None:
    with tree_peer("dell-r820") as peer:
        bmc = Redfish(endpoint(peer.address))
        with pytest.raises(BMCError, match=words):
            bmc.raid.create(controller, volume)
        assert not [request for request in peer.state()["requests"] if request.startswith(f"POST {DELL}")]
        bmc.close()


def test_firmware_is_listed_and_updated_as_a_task_that_outlives_the_session() -> None:
    with tree_peer("dmtf-rackmount1") as peer:
        bmc = Redfish(endpoint(peer.address))
        components = {component.id: component for component in bmc.firmware.components()}
        assert (components["BIOS"].version, components["BIOS"].updateable) == ("P79 v1.45", True)
        task = bmc.firmware.update("https://192.0.2.1/bios.bin", ["BIOS"])
        assert task is not None
        assert task.monitor.startswith("/redfish/v1/")
        assert peer.state()["bodies"] == [
            {
                "ImageURI": "https://192.0.2.1/bios.bin",
                "TransferProtocol": "HTTPS",
                "Targets": ["/redfish/v1/UpdateService/FirmwareInventory/BIOS"],
            }
        ]
        with pytest.raises(Unsupported, match="there is no component NIC; use one of BIOS, BMC, SS"):
            bmc.firmware.update("https://192.0.2.1/nic.bin", ["NIC"])
        bmc.close()
        again = Redfish(endpoint(peer.address))
        assert again.firmware.progress(task.monitor) == TaskState(False, 40, "Running")
        assert again.firmware.progress(task.monitor).done
        with pytest.raises(Unsupported, match="is no task"):
            again.firmware.progress("http://192.0.2.9/steals/the/token")
        again.close()


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (404, "{}", TaskState(True, message="the BMC keeps no record of it any more: see whether it is so")),
        (400, '{"error": {"message": "bad image"}}', TaskState(True, failed="HTTP 400: bad image")),
        (200, '{"TaskState": "Running", "PercentComplete": "7"}', TaskState(False, 7, "Running")),
        (200, '{"TaskState": "Exception"}', TaskState(True, None, "Exception", "Exception")),
        (
            200,
            '{"TaskState": "Completed", "TaskStatus": "Critical", "Messages": [{"Message": "no"}, 5]}',
            TaskState(True, None, "no", "no"),
        ),
        (200, "gone", TaskState(True, 100)),
        (202, "", TaskState(False)),
    ],
)
def test_how_a_task_ended(status: int, body: str, state: TaskState) -> None:
    monitor = "/redfish/v1/TaskService/Tasks/7"
    with tree_peer("dmtf-rackmount1", {f"GET {monitor}": (status, body)}) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.firmware.progress(monitor) == state
        bmc.close()


ACCOUNTS = "/redfish/v1/AccountService/Accounts"
SLOTS = {
    ACCOUNTS: {"Members": [{"@odata.id": f"{ACCOUNTS}/{n}"} for n in (1, 2, 3)]},
    f"{ACCOUNTS}/1": {"Id": "1", "UserName": "", "RoleId": "None"},
    f"{ACCOUNTS}/2": {"Id": "2", "UserName": "admin", "RoleId": "Administrator", "Enabled": True},
    f"{ACCOUNTS}/3": {"Id": "3", "UserName": "guest", "RoleId": "ReadOnly", "Enabled": False},
}


def test_a_password_is_changed_and_the_conversation_goes_on() -> None:
    with tree_peer("supermicro-x10", more=SLOTS, faults=("etags",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.accounts.all() == (
            Account("2", "admin", "Administrator"),
            Account("3", "guest", "ReadOnly", enabled=False),
        )
        bmc.accounts.set_password("admin", Secret("battery staple"))
        assert peer.state()["bodies"] == [{"Password": "battery staple"}]
        assert bmc.power_state()
        for username, password, words in (
            ("nobody", "battery staple", "there is no account nobody; use one of admin, guest"),
            ("admin", "short", "it takes passwords of 8 to 19 characters"),
        ):
            with pytest.raises(BMCError, match=words) as caught:
                bmc.accounts.set_password(username, Secret(password))
            assert password not in str(caught.value)
        assert len(peer.state()["bodies"]) == 1
        bmc.close()


def test_after_its_own_password_changed_it_logs_in_with_the_new_one() -> None:
    with tree_peer("supermicro-x10", more=SLOTS, faults=("logs out",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.accounts.set_password("admin", Secret("battery staple"))
        assert peer.state()["sessions"] == []
        assert bmc.power_state()
        assert peer.state()["sessions"] == ["token2"]
        bmc.close()


def test_the_boot_mode_goes_with_the_device_and_both_are_read_back() -> None:
    with tree_peer("dmtf-rackmount1", faults=("etags",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert (bmc.boot_device(), bmc.boot_mode()) == (BootDevice.PXE, BootMode.UEFI)
        bmc.set_boot_device(BootDevice.DISK, BootMode.BIOS)
        assert peer.state()["boot"]["BootSourceOverrideMode"] == "Legacy"
        assert (bmc.boot_device(), bmc.boot_mode()) == (BootDevice.DISK, BootMode.BIOS)
        bmc.close()


@pytest.mark.parametrize(
    ("mode", "device", "target"),
    [
        (BootMode.UEFI, BootDevice.CDROM, "UefiUsbCd"),
        (BootMode.BIOS, BootDevice.CDROM, "UsbCd"),
        (BootMode.UEFI, BootDevice.DISK, "UefiHdd"),
    ],
)
def test_a_supermicro_has_names_of_its_own_for_uefi(mode: BootMode, device: BootDevice, target: str) -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.set_boot_device(device, mode)
        assert peer.state()["boot"]["BootSourceOverrideTarget"] == target
        assert bmc.boot_device() is device
        bmc.close()


def test_boot_settings_that_moved_to_a_settings_object() -> None:
    system = "/redfish/v1/Systems/1"
    moved = (
        '{"error": {"@Message.ExtendedInfo": [{"MessageId": "Ami.1.0.OperationSupportedInFutureStateURI"}]}}'
    )
    with tree_peer("supermicro-x10", {f"PATCH {system}": (400, moved)}, more={f"{system}/SD": {}}) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.set_boot_device(BootDevice.PXE)
        assert peer.state()["boot"]["BootSourceOverrideTarget"] == "Pxe"
        bmc.close()
    future = {"SettingsObject": {"@odata.id": f"{DELL}/Settings"}}
    more = {
        DELL: {"Boot": {"BootSourceOverrideTarget": "None"}, "@Redfish.Settings": future},
        f"{DELL}/Settings": {"Boot": {"BootSourceOverrideTarget": "None"}},
    }
    with tree_peer("dell-r820", {f"PATCH {DELL}": (400, "{}")}, more=more, faults=("etags",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.set_boot_device(BootDevice.DISK)
        assert peer.state()["boot"]["BootSourceOverrideTarget"] == "Hdd"
        assert bmc.boot_device() is BootDevice.DISK
        bmc.close()
    more = {
        DELL: {"Boot": {"BootSourceOverrideMode": "Legacy"}, "@Redfish.Settings": future},
        f"{DELL}/Settings": {"Boot": {"BootSourceOverrideMode": None}},
    }
    with tree_peer("dell-r820", more=more, faults=("etags",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.set_boot_device(BootDevice.PXE, BootMode.UEFI)
        settings, now = (body["Boot"] for body in peer.state()["bodies"])
        assert settings == {"BootSourceOverrideMode": "UEFI"}
        assert now == {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}
        bmc.close()


def test_what_a_model_lacks_is_unsupported_in_words() -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        for ask in (
            bmc.bios.settings,
            bmc.bios.reset,
            bmc.media.slots,
            bmc.secure_boot.enabled,
            bmc.firmware.components,
        ):
            with pytest.raises(Unsupported, match="this model does not tell it"):
                ask()
        assert bmc.raid.controllers() == ()
        bmc.close()


def test_a_system_without_links_still_has_its_only_manager_and_chassis() -> None:
    with tree_peer("dmtf-rackmount1", more={DMTF: {"PowerState": "On"}}) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.identify().firmware == "1.45.455b66-rev4"
        assert bmc.sensors.read()
        assert bmc.abilities()[Interface.CONSOLE].detail.endswith("use its ipmi:// address")
        bmc.close()


def test_of_several_managers_the_one_that_says_so_is_meant() -> None:
    managers = "/redfish/v1/Managers"
    more: dict[str, Any] = {
        DMTF: {"PowerState": "On"},
        managers: {"Members": [{"@odata.id": f"{managers}/{name}"} for name in ("Enclosure", "Gone", "BMC")]},
        f"{managers}/Enclosure": {
            "Id": "Enclosure",
            "FirmwareVersion": "9",
            "Links": {"ManagerForServers": 5},
        },
        f"{managers}/BMC": {
            "FirmwareVersion": "2.1",
            "Links": {"ManagerForServers": [{"@odata.id": f"{DMTF}/"}]},
        },
    }
    with tree_peer("dmtf-rackmount1", more=more) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.identify().firmware == "2.1"
        bmc.close()


@pytest.mark.parametrize("more", [{}, {"@Redfish.ActionInfo": f"{DMTF}/ResetActionInfo"}])
def test_reset_types_are_found_in_the_action_info_or_taken_for_granted(more: dict[str, str]) -> None:
    target = f"{DMTF}/Actions/ComputerSystem.Reset"
    tree = {
        DMTF: {"PowerState": "On", "Actions": {"#ComputerSystem.Reset": {"target": target, **more}}},
        f"{DMTF}/ResetActionInfo": {
            "Parameters": [5, {"Name": "ResetType", "AllowableValues": ["ForceOn", "ForceOff", "PowerCycle"]}]
        },
    }
    with tree_peer("dmtf-rackmount1", more=tree) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.request_power(PowerAction.ON)
        bmc.request_power(PowerAction.RESET)
        assert peer.state()["done"] == (["ForceOn", "PowerCycle"] if more else ["On", "ForceRestart"])
        bmc.close()


def test_one_call_asks_for_no_document_twice() -> None:
    with tree_peer("supermicro-x10") as peer:
        bmc = Redfish(endpoint(peer.address))
        before = len(peer.state()["requests"])
        bmc.abilities()
        asked = peer.state()["requests"][before:]
        assert len(asked) == len(set(asked)) < 15
        bmc.close()


@pytest.mark.parametrize("newest_first", [True, False])
def test_of_a_long_log_of_single_documents_the_newer_end_is_read(newest_first: bool) -> None:
    entries = f"{DMTF}/LogServices/Log1/Entries"
    numbers = list(range(150, 0, -1)) if newest_first else list(range(1, 151))
    more: dict[str, Any] = {
        f"{entries}/{n}": {
            "Id": str(n),
            "Message": "x",
            "Created": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z",
        }
        for n in numbers
    }
    more[entries] = {"Members": [{"@odata.id": f"{entries}/{n}"} for n in numbers]}
    with tree_peer("dmtf-rackmount1", more=more) as peer:
        bmc = Redfish(endpoint(peer.address))
        read = [entry.id for entry in bmc.event_log.entries() if entry.id.startswith("Log1/")]
        assert read == [f"Log1/{n}" for n in range(51, 151)]
        bmc.close()


def test_addresses_of_network_adapters_where_the_system_tells_none() -> None:
    adapters = "/redfish/v1/Chassis/1U/NetworkAdapters"
    chassis = {"Id": "1U", "NetworkAdapters": {"@odata.id": adapters}}
    ports = {"NetworkPorts": {"@odata.id": f"{adapters}/1/NetworkPorts"}}
    more = {
        DMTF: {"PowerState": "On", "Links": {"Chassis": [{"@odata.id": "/redfish/v1/Chassis/1U"}]}},
        "/redfish/v1/Chassis/1U": chassis,
        adapters: {"Members": [{"@odata.id": f"{adapters}/1"}]},
        f"{adapters}/1": {"Id": "1", **ports},
        f"{adapters}/1/NetworkPorts": {"Members": [{"@odata.id": f"{adapters}/1/NetworkPorts/1"}]},
        f"{adapters}/1/NetworkPorts/1": {
            "Id": "1",
            "AssociatedNetworkAddresses": ["AC-1F-6B-18-A4-5A"],
            "ActiveLinkTechnology": "Ethernet",
        },
    }
    with tree_peer("dmtf-rackmount1", more=more) as peer:
        bmc = Redfish(endpoint(peer.address))
        assert bmc.macs() == ("ac:1f:6b:18:a4:5a",)
        bmc.close()


def test_a_new_password_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), tree_peer("supermicro-x10", more=SLOTS) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.accounts.set_password("admin", Secret("battery staple"))
        bmc.close()
        assert peer.state()["bodies"] == [{"Password": "battery staple"}]
    assert "battery staple" not in caplog.text


@pytest.mark.parametrize(("image", "by_oem"), [(IMAGE, True), (None, False)])
def test_an_idrac_boots_virtual_media_by_its_own_action(image: str | None, by_oem: bool) -> None:
    drives = "/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia"
    more = {
        drives: {"Members": [{"@odata.id": f"{drives}/CD"}]},
        f"{drives}/CD": {"Id": "CD", "MediaTypes": ["CD"], "Image": image, "Inserted": image is not None},
    }
    with tree_peer("dell-r820", more=more, faults=("quick",)) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.set_boot_device(BootDevice.CDROM)
        (body,) = peer.state()["bodies"]
        assert ("VCD-DVD" in str(body)) is by_oem
        assert ("Boot" in body) is not by_oem
        monitored = "GET /redfish/v1/TaskService/TaskMonitors/1" in peer.state()["requests"]
        assert monitored is by_oem
        bmc.close()


def test_a_boot_device_that_counts_for_good_is_set_for_once_where_only_that_is_taken() -> None:
    refused = {f"PATCH {DMTF}": (400, "{}", {}, 1)}
    with tree_peer("dmtf-rackmount1", refused) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.set_boot_device(BootDevice.DISK)
        assert peer.state()["boot"]["BootSourceOverrideEnabled"] == "Once"
        bmc.close()


def test_a_refusal_of_a_boot_device_that_was_set_all_the_same_is_none() -> None:
    with tree_peer("dmtf-rackmount1", {f"PATCH {DMTF}": (400, "{}")}) as peer:
        bmc = Redfish(endpoint(peer.address))
        bmc.set_boot_device(BootDevice.PXE, BootMode.UEFI)  # as the tree has it
        with pytest.raises(BMCError):
            bmc.set_boot_device(BootDevice.CDROM)
        bmc.close()


def test_every_quirk_has_its_source() -> None:
    assert all(row.differs and row.seen for row in ROWS)
    assert {row.quirk for row in ROWS} == set(Quirk)
    assert set(quirks_of("Supermicro", "Super Server")) >= {Quirk.SEND_BOOT_MODE, Quirk.MEDIA_IS_USB}
    assert Quirk.MEDIA_BY_OEM in quirks_of("Dell Inc.", "PowerEdge R820")
    assert set(quirks_of(None, None)) == {Quirk.SAYS_FULL}


def test_raid_controllers_of_newer_services_and_what_is_none() -> None:
    storage = f"{DELL}/Storage"
    hardware = {
        "RAID": {"Model": "PERC H755", "SupportedRAIDTypes": ["RAID0", "RAID1"]},
        "AHCI": {"Model": "AHCI", "SupportedRAIDTypes": []},
        "CPU": {"Model": "PCIe SSD", "SupportedDeviceProtocols": ["NVMeOverPCIe"]},
    }
    more: dict[str, Any] = {storage: {"Members": [{"@odata.id": f"{storage}/{name}"} for name in hardware]}}
    for name, controller in hardware.items():
        here = f"{storage}/{name}"
        more[here] = {
            "Id": name,
            "Drives": [{"@odata.id": f"{here}/Drives/{n}"} for n in (1, 2)],
            "Volumes": {"@odata.id": f"{here}/Volumes"},
            "Controllers": {"@odata.id": f"{here}/Controllers"},
        }
        more[f"{here}/Controllers"] = {"Members": [{"@odata.id": f"{here}/Controllers/1"}]}
        more[f"{here}/Controllers/1"] = controller
        more[f"{here}/Volumes"] = {
            "Members": [],
            "@Redfish.OperationApplyTimeSupport": {"SupportedValues": ["Immediate", "OnReset"]},
        }
    with tree_peer("dell-r820", more=more) as peer:
        bmc = Redfish(endpoint(peer.address))
        (controller,) = bmc.raid.controllers()
        assert (controller.id, controller.model) == ("RAID", "PERC H755")
        bmc.raid.create("RAID", RAIDVolume("data", "1", size_bytes=10**9, disks=("1", "2")))
        assert peer.state()["bodies"] == [
            {
                "Name": "data",
                "CapacityBytes": 10**9,
                "@Redfish.OperationApplyTime": "Immediate",
                "RAIDType": "RAID1",
                "Links": {"Drives": [{"@odata.id": f"{storage}/RAID/Drives/{n}"} for n in (1, 2)]},
            }
        ]
        with pytest.raises(Unsupported, match="it makes 0, 1"):
            bmc.raid.create("RAID", RAIDVolume("data", "5", disks=("1", "2")))
        bmc.close()
