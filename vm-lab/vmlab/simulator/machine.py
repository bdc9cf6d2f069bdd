"""One simulated server with its BMC: what it is now, and what was done to it. Made when first touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmlab.simulator import addresses
from vmlab.simulator.faults import Fault, Kind

if TYPE_CHECKING:
    from vmlab.simulator.personality import Personality

# A server has a serial number and MACs of its own; the last 24 bits of its address make them.
_OWN = 0xFFFFFF


class Machine:
    """`faults`: those in force, by kind. `done`: what was asked for, in order ("power on", "led on")."""

    __slots__ = (
        "ancillary",
        "boot",
        "boot_flags",
        "deaf_until",
        "done",
        "faults",
        "forgiven",
        "guid",
        "led",
        "locked_until",
        "logins",
        "number",
        "overlays",
        "passwords",
        "pending",
        "personality",
        "power",
        "power_next",
        "redfish_sessions",
        "requests",
        "sel",
        "sessions",
        "sessions_most",
        "tasks",
        "unfinished",
        "volumes",
        "wrong_in_a_row",
        "wrong_passwords",
    )

    def __init__(self, number: int, passwords: dict[str, str], personality: Personality) -> None:
        self.number = number
        # struct in_pktinfo {interface, source address, destination}: whom an answer comes from (ip(7)).
        self.ancillary = bytes(4) + number.to_bytes(4, "big") + bytes(4)
        self.personality = personality
        self.guid = b""  # once it was asked for
        self.passwords = passwords  # shared by all until one of them is changed here
        self.power = personality.system.get("PowerState") == "On"
        self.power_next: tuple[float, bool] | None = None
        self.boot: dict[str, str] = {}
        self.boot_flags = bytes(5)
        self.led = False
        self.faults: dict[Kind, Fault] = {}
        self.sessions: list[Any] = []  # IPMI's
        self.redfish_sessions: dict[str, Any] = {}
        self.overlays: dict[str, dict[str, Any]] = {}
        self.sel: list[bytes] | None = None
        self.pending: dict[str, dict[str, Any]] = {}  # BIOS settings until the next boot
        self.tasks: dict[str, Any] = {}
        self.volumes: dict[str, dict[str, Any] | None] = {}  # made here; None: removed
        self.deaf_until = 0.0
        self.locked_until = 0.0
        self.wrong_in_a_row = 0
        self.requests = 0
        self.logins = 0
        self.wrong_passwords = 0
        self.unfinished = self.forgiven = 0
        self.sessions_most = 0
        self.done: list[str] = []

    @property
    def address(self) -> str:
        return addresses.text(self.number)

    @property
    def own(self) -> str:
        """Six characters that no other machine of the fleet has."""
        return f"{self.number & _OWN:06X}"

    def count_sessions(self) -> None:
        self.sessions_most = max(self.sessions_most, self.sessions_now())

    # --- power

    def is_on(self, now: float) -> bool:
        """The truth."""
        if self.power_next is not None and now >= self.power_next[0]:
            self.power, self.power_next = self.power_next[1], None
        return self.power

    def told_on(self, now: float) -> bool:
        """What it says."""
        return self.is_on(now) is not (Kind.POWER_LIES in self.faults)

    def ask_power(self, what: str, now: float) -> None:
        """`what`: on, off, soft, cycle or reset."""
        self.done.append(f"power {what}")
        if Kind.POWER_STUCK in self.faults:
            return
        was_on = self.is_on(now)
        wanted = was_on if what == "reset" else what in ("on", "cycle")
        late = self.faults.get(Kind.POWER_LATE)
        if late is None:
            self.power, self.power_next = wanted, None
        else:
            self.power_next = (now + late.value, wanted)
        if wanted and (what != "on" or not was_on):
            self._boot()

    def _boot(self) -> None:
        """A boot uses up what was meant for one boot, and settings that waited for it count from now on."""
        for session in self.sessions:
            if session.sol is not None:
                session.sol.booted(self)
        if self.boot.get("BootSourceOverrideEnabled") == "Once":
            self.boot = {
                **self.boot,
                "BootSourceOverrideEnabled": "Disabled",
                "BootSourceOverrideTarget": "None",
            }
            self.boot_flags = bytes(5)
        for path, attributes in self.pending.items():
            self.overlays.setdefault(path, {}).setdefault("Attributes", {}).update(attributes)
        self.pending = {}

    # --- log-ins

    def login_begins(self, now: float) -> bool:
        """Whether it is heard at all: not while accounts are locked."""
        self.logins += 1
        locked = self.locked(now)
        self.unfinished += not locked
        return not locked

    def login_ends(self, right: bool) -> None:
        self.unfinished -= 1
        if right:
            self._forgive()
        else:
            self.wrong_passwords += 1
            self.wrong_in_a_row += 1

    def locked(self, now: float) -> bool:
        """An IPMI client that finds its password wrong may just go away, so a log-in that was not finished
        counts like a wrong password as soon as there is another."""
        lockout = self.faults.get(Kind.LOCKOUT)
        failed = self.wrong_in_a_row + self.unfinished - self.forgiven
        if lockout is not None and failed >= lockout.attempts and now >= self.locked_until:
            self.locked_until = now + lockout.value
            self._forgive()
        return now < self.locked_until

    def _forgive(self) -> None:
        self.wrong_in_a_row, self.forgiven = 0, self.unfinished

    def open_ipmi_sessions(self) -> int:
        return sum(session.open for session in self.sessions)

    def sessions_now(self) -> int:
        return self.open_ipmi_sessions() + len(self.redfish_sessions)

    def reboot_bmc(self, deaf_until: float) -> None:
        """The BMC, not the server: all sessions and tokens are gone."""
        self.deaf_until = deaf_until
        self.sessions.clear()
        self.redfish_sessions.clear()

    def clear_faults(self, kind: Kind | None) -> None:
        for ended in list(self.faults) if kind is None else [kind]:
            self.faults.pop(ended, None)
        if kind in (None, Kind.LOCKOUT):
            self.locked_until = 0.0
            self._forgive()
        if kind in (None, Kind.REBOOT):
            self.deaf_until = 0.0

    def remembered(self, now: float) -> dict[str, Any]:
        return {
            "address": self.address,
            "power": "on" if self.is_on(now) else "off",
            "boot": self.boot,
            "led": self.led,
            "requests": self.requests,
            "logins": self.logins,
            "wrong_passwords": self.wrong_passwords,
            "unfinished": self.unfinished,
            "locked": self.locked(now),
            "sessions": self.sessions_now(),
            "sessions_most": self.sessions_most,
            "done": self.done,
            "faults": [str(fault) for fault in self.faults.values()],
        }
