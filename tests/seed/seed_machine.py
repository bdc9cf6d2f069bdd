"""A machine in memory: a BMC, a ramdisk agent and disks, doing what firmware does when power comes on."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from seed_face import Face

from hwdrivers.bmc import BootDevice, BootMode, Identity, PowerState
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.fake import FakeBMC
from hwdrivers.inventory import Disk
from seed.fake_agent import FakeAgent

GIB = 1024**3
PASSWORD = "correct horse battery"
DISKS = (
    Disk("/dev/sda", 20 * GIB, "DISK-A", rotational=True),
    Disk("/dev/nvme0n1", 10 * GIB, "DISK-B", rotational=False),
)


class Machine:
    """`reports` is what its agent finds; change it to have another machine answer."""

    def __init__(
        self,
        number: int = 1,
        *,
        disks: tuple[Disk, ...] = DISKS,
        boot_mode: BootMode = BootMode.BIOS,
        macs_by_bmc: bool = True,
        bmc: type[FakeBMC] = FakeBMC,
        protocol: str = "ipmi",
        ca: str = "",
    ) -> None:
        self.name = f"node-{number}"
        self.address = f"10.0.0.{100 + number}"
        self.mac = f"52:54:00:00:00:{number:02x}"
        self.serial = f"SERIAL-{number}"
        self.bmc = bmc(
            f"{protocol}://192.0.2.{number}",
            credentials=Credentials("admin", Secret(PASSWORD)),
            identity=Identity(vendor="Acme", model="R1", serial=self.serial),
            macs=[self.mac] if macs_by_bmc else [],
            boot_mode=boot_mode,
        )
        self.agent = FakeAgent(disks)
        self.ca = ca
        self.hangs = False  # firmware that does not boot
        self.loses_report = False  # the agent's report does not arrive
        self.is_mute = False  # the operating system does not call home
        self.reports = report(self.serial, [self.mac], disks, boot_mode)
        self.boots: list[str] = []  # what it booted from, each time
        self.cds: list[bytes] = []  # what it read of virtual media
        self.loaded: list[bytes] = []  # kernel, its own part, initramfs: of a host that runs from memory
        self.fetch: Callable[[str], tuple[int, bytes]] | None = None  # its way to the port of files
        self._deeds = 0
        self._running = False

    @property
    def url(self) -> str:
        return f"https://{self.address}:9999"

    @property
    def deeds(self) -> list[str]:
        """What its BMC was asked to do."""
        return [deed.what for deed in self.bmc.deeds]

    def cut_power(self) -> None:
        """Somebody pulls the plug."""
        self.bmc.power = PowerState.OFF
        self._stop()

    def live(self, seed: Face) -> bool:
        """Do what a machine does by itself since the last look; False when nothing happened."""
        new, self._deeds = self.deeds[self._deeds :], len(self.bmc.deeds)
        if "power off" in new or self.bmc.power is PowerState.OFF:
            self._stop()
        if self._running or self.bmc.power is PowerState.OFF or self.hangs:
            return False
        self._running = True
        self.boot(seed)
        return True

    def _stop(self) -> None:
        self._running = False
        self.agent.lose_power()

    def boot(self, seed: Face) -> None:
        """From what firmware was told to boot from."""
        if self.bmc.boots_from is BootDevice.CDROM:
            self._boot_cd(seed)
            return
        script = "" if self.bmc.boots_from is BootDevice.DISK else self.script(seed)
        if "ipa-api-url" in script:
            self.boots.append("ramdisk")
            self._boot_ramdisk(seed)
        elif "initrd=own" in script:
            self.boots.append("host")
            self._boot_host(seed, script)
        else:
            self.boots.append("disk")
            self._boot_disk(seed)

    def _boot_cd(self, seed: Face) -> None:
        """Its BMC reads what is inserted, piece by piece, with GRUB's configuration first."""
        assert self.bmc.media is not None
        image = next(slot.image for slot in self.bmc.media.drives if slot.image)
        told = seed.get(urlsplit(image).path, headers={"Range": "bytes=0-"}).content
        self.cds.append(told)
        if b"ipa-api-url=" in told:
            self.boots.append("cd")
            self._boot_ramdisk(seed)

    def _boot_host(self, seed: Face, script: str) -> None:
        """Fetch what the script says and call home, as what was fetched says."""
        kernel, own, initramfs = (urlsplit(url).path for url in re.findall(r"http://\S+", script)[:3])
        assert self.fetch is not None
        self.loaded = [self.fetch(kernel)[1], seed.get(own).content, self.fetch(initramfs)[1]]
        if not self.is_mute:
            home, instance = _told(self.loaded[1])
            seed.post(home, data={"instance_id": instance})

    def script(self, seed: Face) -> str:
        return seed.get("/boot/script", params={"mac": self.mac}).text

    def _boot_ramdisk(self, seed: Face) -> None:
        """As ironic-python-agent does: report, look up, heartbeat."""
        self.agent.boot()
        if not self.loses_report:
            seed.post("/v1/continue_inspection", json=self.reports)
        answer = seed.get("/v1/lookup", params={"addresses": self.mac})
        if answer.status_code == 200:
            self.agent.token = answer.json()["config"]["agent_token"]
            self.beat(seed, answer.json()["node"]["uuid"])

    def beat(self, seed: Face, uuid: str) -> int:
        body = {
            "callback_url": self.url,
            "agent_token": self.agent.token,
            "agent_version": "13.0.0",
            "agent_verify_ca": self.ca,
        }
        return seed.post(f"/v1/heartbeat/{uuid}", json=body).status_code

    def _boot_disk(self, seed: Face) -> None:
        if self.agent.written and not self.is_mute:
            home, instance = self.first_boot_data()
            seed.post(home, data={"instance_id": instance})

    def first_boot_data(self) -> tuple[str, str]:
        """Where to call home, and the instance id, as cloud-init finds them in the config drive."""
        return _told(self.config_drive())

    def config_drive(self) -> bytes:
        """The one that was written last, unpacked."""
        sent = self.agent.written[-1].configdrive
        assert sent is not None
        return gzip.decompress(base64.b64decode(sent))


def _told(drive: bytes) -> tuple[str, str]:
    home = re.search(rb"http://[^/]+(/v1/phone-home/[0-9a-f-]+)", drive)
    instance = re.search(rb'"uuid": "([0-9a-f-]+)"', drive)
    assert home is not None
    assert instance is not None
    return home[1].decode(), instance[1].decode()


def report(serial: str, macs: list[str], disks: tuple[Disk, ...], boot_mode: BootMode) -> dict[str, Any]:
    """What ironic-python-agent posts, as in tests/data/hwdrivers/agent-qemu-bios.json."""
    nics = [{"name": f"ens{i}", "mac_address": mac, "has_carrier": True} for i, mac in enumerate(macs)]
    drives = [
        {"name": d.name, "size": d.size_bytes, "serial": d.serial, "rotational": d.rotational} for d in disks
    ]
    return {
        "inventory": {
            "interfaces": nics,
            "disks": drives,
            "cpu": {"model_name": "Fake", "count": 4, "architecture": "x86_64"},
            "memory": {"total": 8 * GIB, "physical_mb": 8192},
            "system_vendor": {"manufacturer": "Acme", "product_name": "R1", "serial_number": serial},
            "boot": {"current_boot_mode": boot_mode.value},
        },
        "error": None,
    }
