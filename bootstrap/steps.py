"""All steps that a seed can take, put together from what they work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bootstrap.config import Config
from pxe.dnsmasq import DHCPMode
from seed.bmcs import BMCs
from seed.images import Images
from seed.instances import Instances
from seed.media import BootMedia
from seed.ramdisk import Ramdisk
from seed.relays import Relays
from seed.step import Step
from seed.steps.adopt_instance import AdoptInstance
from seed.steps.agent_command import AgentCommand
from seed.steps.agent_step import AgentStep
from seed.steps.apply_bios import ApplyBIOS
from seed.steps.apply_raid import ApplyRAID
from seed.steps.boot_from_disk import BootFromDisk
from seed.steps.boot_host_ramdisk import BootHostRamdisk
from seed.steps.boot_ramdisk import BootRamdisk
from seed.steps.change_power import ChangePower
from seed.steps.check_image import CheckImage
from seed.steps.finalize_rescue import FinalizeRescue
from seed.steps.first_boot import FirstBoot
from seed.steps.forget_instance import ForgetInstance
from seed.steps.hold import Hold
from seed.steps.install_bootloader import InstallBootloader
from seed.steps.leave_ramdisk import LeaveRamdisk
from seed.steps.list_deploy_steps import ListDeploySteps
from seed.steps.list_steps import ListSteps
from seed.steps.power_off import PowerOff
from seed.steps.record_evidence import RecordEvidence
from seed.steps.record_inventory import RecordInventory
from seed.steps.restore_power import RestorePower
from seed.steps.shut_down import ShutDown
from seed.steps.update_firmware import UpdateFirmware
from seed.steps.verify_credentials import VerifyCredentials
from seed.steps.wait import Wait
from seed.steps.write_image import WriteImage
from seed.store import Store


def steps(
    config: Config,
    store: Store,
    bmcs: BMCs,
    ramdisk: Ramdisk,
    images: Images,
    instances: Instances,
    media: BootMedia,
    announce: Callable[[], None],
) -> tuple[Step, ...]:
    """`announce` tells DHCP about a machine before it asks."""
    agent, dhcp = AgentCommand(bmcs, ramdisk), config.provisioning.dhcp is not DHCPMode.NONE
    return (
        BootRamdisk(bmcs, ramdisk, images, announce, media, dhcp=dhcp),
        BootHostRamdisk(bmcs, ramdisk, instances, announce, dhcp=dhcp),
        LeaveRamdisk(bmcs, ramdisk, keep=config.fast_track),
        *_lifecycle_steps(store, bmcs, ramdisk, images, instances, agent),
        *_bmc_steps(bmcs, ramdisk),
        *_agent_steps(config, store, ramdisk, agent),
    )


def _lifecycle_steps(
    store: Store, bmcs: BMCs, ramdisk: Ramdisk, images: Images, instances: Instances, agent: AgentCommand
) -> tuple[Step, ...]:
    return (
        VerifyCredentials(bmcs),
        RecordInventory(ramdisk),
        CheckImage(images),
        ListDeploySteps(ramdisk),
        WriteImage(ramdisk, agent, images, instances, Relays(store)),
        InstallBootloader(agent),
        BootFromDisk(bmcs, ramdisk),
        FirstBoot(bmcs, instances),
        PowerOff(bmcs, ramdisk),
        RestorePower(bmcs),
        ForgetInstance(instances),
        ShutDown(bmcs),
        AdoptInstance(bmcs, instances),
        RecordEvidence(ramdisk),
        FinalizeRescue(store, ramdisk),
    )


def _bmc_steps(bmcs: BMCs, ramdisk: Ramdisk) -> tuple[Step, ...]:
    """What operators ask of BMCs beside the lifecycle."""
    return ChangePower(bmcs, ramdisk), ApplyBIOS(bmcs), UpdateFirmware(bmcs), ApplyRAID(bmcs)


def _agent_steps(config: Config, store: Store, ramdisk: Ramdisk, agent: AgentCommand) -> Iterator[Step]:
    """What takes the agent's own steps, and Ironic's reserved ones between them."""
    yield from (Hold(store), Wait(ramdisk))
    for kind in ("clean", "service"):
        yield ListSteps(ramdisk, kind, priorities=config.priorities, burn_in=config.burn_in)
    for kind in ("clean", "service", "deploy"):
        yield from (AgentStep(ramdisk, agent, kind, abortable=abortable) for abortable in (True, False))
