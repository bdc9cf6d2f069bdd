"""Which steps lead through each transient state of the graph."""

from __future__ import annotations

from seed.lifecycle import NOT_BUILT, Transition, VerbRefused

_CLEANING = ("boot_ramdisk", "erase_metadata", "leave_ramdisk")

STEPS: dict[str, tuple[str, ...]] = {
    "verifying": ("verify_credentials",),
    "inspecting": ("boot_ramdisk", "record_inventory", "leave_ramdisk"),
    "cleaning": _CLEANING,
    "deploying": (
        "check_image",
        "boot_ramdisk",
        "write_image",
        "install_bootloader",
        "boot_from_disk",
        "first_boot",
    ),
    "deleting": ("power_off", "forget_instance", *_CLEANING),
}


def steps_for(transition: Transition) -> tuple[str, ...]:
    """The steps that `transition` starts; () when it just moves the node. Raises VerbRefused."""
    if transition.event in NOT_BUILT:
        raise VerbRefused(f"'{transition.event}' is in the graph but not built yet in this release")
    return STEPS.get(transition.target, ())
