"""Which steps lead through each transient state of the graph."""

from __future__ import annotations

from seed.lifecycle import Transition
from seed.model import Instance

_CLEANING = ("boot_ramdisk", "list_clean_steps", "leave_ramdisk")

OF_RUNS = ("abort", "hold", "unhold")  # what is asked of a run that is under way

RESCUE_PASSWORD = "rescue-password"  # noqa: S105 - the name under which its hash is kept

# The secrets that a verb is to be given with it.
SECRETS: dict[str, tuple[str, ...]] = {"rescue": (RESCUE_PASSWORD,)}

# Those of the agent's own steps that are taken follow `list_clean_steps` or `list_service_steps`.
STEPS: dict[str, tuple[str, ...]] = {
    "verifying": ("verify_credentials",),
    "adopting": ("verify_credentials", "adopt_instance"),
    "inspecting": ("boot_ramdisk", "record_inventory", "leave_ramdisk"),
    "testing": _CLEANING,
    "cleaning": _CLEANING,
    "deploying": (
        "check_image",
        "boot_ramdisk",
        "list_deploy_steps",
        "write_image",
        "install_bootloader",
        "boot_from_disk",
        "first_boot",
    ),
    "servicing": ("shut_down", "boot_ramdisk", "list_service_steps", "boot_from_disk"),
    "rescuing": ("shut_down", "boot_ramdisk", "finalize_rescue"),
    "unrescuing": ("power_off", "boot_from_disk"),
    "deleting": ("power_off", "forget_instance", *_CLEANING),
    "decommissioning": (
        "boot_ramdisk",
        "list_clean_steps",
        "record_evidence",
        "power_off",
        "forget_instance",
    ),
}

# Of hosts that run from memory (`deploy: ramdisk`): nothing is written, nothing boots from disk.
IN_MEMORY: dict[str, tuple[str, ...]] = {
    "deploying": ("check_image", "boot_host_ramdisk"),
    "servicing": ("shut_down", "boot_ramdisk", "list_service_steps", "boot_host_ramdisk"),
    "unrescuing": ("power_off", "boot_host_ramdisk"),
}


def steps_for(transition: Transition, instance: Instance | None = None) -> tuple[str, ...]:
    """The steps that `transition` starts on what the node is, or is to be; () when it just moves the node."""
    special = IN_MEMORY if instance and instance.in_memory else {}
    return special.get(transition.target, STEPS.get(transition.target, ()))
