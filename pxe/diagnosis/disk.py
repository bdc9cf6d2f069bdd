"""The first boot of what was written: from the reboot until the operating system calls home."""

from __future__ import annotations

from pxe.diagnosis.advice import HOST_NETWORK
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.clients import is_firmware, is_system, mode
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found, kinds, signs
from pxe.milestones import Hop

_AGAIN = 3  # times that firmware asks the network in one boot: it comes back from the disk
_DHCP = ("boot.dhcpdiscover", "boot.dhcprequest", "boot.dhcpack")

_CLOUD_INIT = (
    HOST_NETWORK,
    Cause(
        "cloud-init does not run in this image, or finds no config drive",
        "on the host: `cloud-init status --long`, `blkid -L config-2`; take an image with both",
    ),
    Cause(
        "something of the profile's user data fails before it calls home",
        "on the host: `/var/log/cloud-init-output.log`",
    ),
)


def _other_mode(attempt: Attempt) -> Match | None:
    now = mode(attempt) or attempt.boot_mode
    if None in (now, attempt.disk_mode) or now == attempt.disk_mode:
        return None
    return found(attempt.of("power.disk", "power.on", "boot.dhcpdiscover"), now=now, then=attempt.disk_mode)


def _comes_back(attempt: Attempt) -> Match | None:
    scripts = attempt.of("boot.script")
    return found(scripts, times=len(scripts)) if len(scripts) >= _AGAIN else None


def _system_on_network(attempt: Attempt) -> Match | None:
    """DHCP after the script that sent it to the disk is that of the operating system."""
    later = attempt.after("boot.script") if attempt.of("boot.script") else attempt.milestones
    asked = [m for m in later if m.kind in _DHCP and (is_system(m) or not is_firmware(m))]
    return found(asked) if any(is_system(m) for m in asked) or attempt.of("boot.script") else None


RULES = (
    Rule(
        "home.refused",
        (Hop.HOME,),
        kinds("instance.refused"),
        "the operating system of {node} called home and was sent away: {said}",
        (
            Cause(
                "an older system runs: the disk that was written is not the one that firmware starts",
                "compare the disks of `undercloud node show {node}` with the firmware's boot order",
            ),
            Cause(
                "the host has another address than was declared (NAT, or DHCP instead of it)",
                "log in at `undercloud node console {node}`: `ip address`; compare with its profile",
            ),
        ),
        certain=True,
    ),
    Rule(
        "disk.other-mode",
        (Hop.HOME,),
        _other_mode,
        "{node} was installed in boot mode {then} and boots in {now} now",
        (
            Cause(
                "the boot mode changed between the ramdisk and the disk",
                "`undercloud node boot-device disk {node} --mode {then}`; the same in the firmware's setup",
            ),
            Cause(
                "the image boots in one of the two modes only",
                "take an image that has both (ESP and BIOS boot partition)",
            ),
        ),
    ),
    Rule(
        "disk.comes-back",
        (Hop.HOME,),
        _comes_back,
        "{node} is sent to its disk and comes back to the network ({times} times): nothing boots from disk",
        (
            Cause(
                "the disk has no bootloader for this boot mode",
                "check that the image has one; set the boot mode as it was when the image was written",
            ),
            Cause(
                "firmware starts another disk than the one that was written",
                "compare the disks of `undercloud node show {node}` with the firmware's boot order",
            ),
            Cause("the disk died", "`undercloud node sel {node}`; look at its LED"),
        ),
        certain=True,
    ),
    Rule(
        "home.silent-system",
        (Hop.HOME,),
        signs("login"),
        "the operating system of {node} runs and never called home",
        _CLOUD_INIT,
    ),
    Rule(
        "home.silent",
        (Hop.HOME,),
        _system_on_network,
        "the operating system of {node} runs, asks for an address, and never called home",
        _CLOUD_INIT,
    ),
    Rule(
        "disk.silent",
        (Hop.HOME,),
        always,
        "{node} was booted from disk and its operating system never called home",
        (
            Cause(
                "firmware finds no bootloader: wrong boot mode, or no boot entry for this disk",
                "look: `undercloud node console {node}`; "
                "`undercloud node boot-device disk {node} --mode uefi` (or bios)",
            ),
            *_CLOUD_INIT,
        ),
    ),
)
