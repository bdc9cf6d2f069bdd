"""The composition root: here, and nowhere else, the parts are put together."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web
from fastapi import FastAPI

from bootstrap.config import Config
from bootstrap.key import cipher
from bootstrap.steps import steps
from hwdrivers.bmc import BMC, Endpoint
from hwdrivers.connect import connect
from hwdrivers.credentials import Secret
from hwdrivers.governor import Governor, unpaced
from hwdrivers.sweep import Sweep
from pxe.dnsmasq import DHCPMode
from pxe.firmware import UEFILoader
from seed.agent import AgentClient
from seed.api import files, machines, operators
from seed.api.context import Context
from seed.arrivals import Arrivals
from seed.bmcs import BMCs
from seed.boot import Boot
from seed.boots import Boots
from seed.capture_files import CaptureFiles
from seed.captures import Captures
from seed.conductor import Conductor
from seed.consoles import Consoles
from seed.declarations import Declarations
from seed.ejecting import Ejecting
from seed.errors import StoreFailed
from seed.grub_files import GrubFiles
from seed.host_boot import HostBoot
from seed.images import Images
from seed.instances import Instances
from seed.learnt import Learnt
from seed.lifecycle import ironic_39
from seed.media import BootMedia
from seed.model import Agent
from seed.plans.apply import Apply
from seed.plans.rollouts import Rollouts
from seed.power.sync import PowerSync
from seed.ramdisk import Ramdisk
from seed.requests import Requests
from seed.reservations import Reservations
from seed.step import Step
from seed.store import Store
from seed.tenure import LEASE


@dataclass(frozen=True)
class Seed:
    """A seed, put together and at rest."""

    store: Store
    governor: Governor
    learnt: Learnt
    conductor: Conductor
    reservations: Reservations
    power_sync: PowerSync
    captures: Captures
    ejecting: Ejecting
    operators: FastAPI
    machines: FastAPI
    files: web.Application

    def close(self) -> None:
        """Log out of all BMCs, keep what was learnt of them, and close the store."""
        self.governor.close()
        with suppress(StoreFailed):  # whoever used it was told
            self.learnt.save(self.governor, at_the_end=True)
        self.store.close()


def open_store(config: Config) -> Store:
    """The configured store; raises StoreFailed or MissingKey."""
    return Store(config.store, cipher(config.key_file), password_file=config.database_password_file)


def compose(
    config: Config,
    *,
    reload_dhcp: Callable[[], None] = lambda: None,
    bmc: Callable[[Endpoint], BMC] | None = None,
    agent: Callable[[Agent, Secret], AgentClient] = AgentClient,
    instead: Sequence[Step] = (),
    lease: timedelta = LEASE,
) -> Seed:
    """Put a seed together from its configuration; nothing runs yet.

    `bmc` and `agent` reach machines (None: by network); steps that are given `instead` of one of that name
    replace it. `lease`: how long a seed may be silent until another goes on with its runs.
    """
    base_url = config.provisioning.base_url
    store = open_store(config)
    lifecycle = ironic_39()
    files_url = config.provisioning.files_url
    images = Images(config.images_dir, files_url, config.ramdisk.image)
    ramdisk = Ramdisk(store, agent)
    instances = Instances(store, images, base_url)
    learnt = Learnt(store)
    governor = _governor(learnt, bmc)
    bmcs = BMCs(store, governor.connect)
    inspects = config.provisioning.inspects_unknown
    dhcp = config.provisioning.dhcp is not DHCPMode.NONE
    boot = Boot(
        store,
        images,
        base_url,
        config.ramdisk.kernel_arguments,
        HostBoot(store, images, instances, base_url, files_url),
        files_url=files_url,
        inspects=inspects,
        dhcp=dhcp,
    )
    reservations = Reservations(
        store,
        config.dnsmasq_dir / "dnsmasq.hosts",
        reload_dhcp,
        grub=GrubFiles(config.dnsmasq_dir / "tftp", boot, images),
        signed=config.provisioning.uefi_loader is UEFILoader.GRUB,
        base_url=base_url,
    )
    media = BootMedia(store, images, boot.told, config.media_dir, config.provisioning.media_base_url)
    walked = steps(config, store, bmcs, ramdisk, images, instances, media, reservations.refresh)
    site = config.provisioning
    boots = Boots(site.dhcp, site.uefi_loader, seed=str(site.machines_address), http_port=site.http_port)
    conductor = Conductor(
        store,
        lifecycle,
        {step.name: step for step in (*walked, *instead)},
        name=config.name,
        limits=config.limits.by_need(),
        boots=boots,
        lease=lease,
    )
    requests = Requests(store, lifecycle, conductor.advance, instances, conductor.wake)
    rollouts = Rollouts(store, requests, instances)
    conductor.follow(rollouts.advance)
    consoles, captured = Consoles(bmcs), CaptureFiles(config.consoles_dir)
    captures = Captures(store, consoles, captured, name=config.name)
    conductor.follow(captures.wake)
    ejecting = Ejecting(bmcs, media)
    conductor.follow(ejecting.wake)
    declarations = Declarations(store)
    arrivals = Arrivals(store, declarations, inspects=inspects)
    context = Context(
        name=socket.gethostname(),
        store=store,
        lifecycle=lifecycle,
        requests=requests,
        declarations=declarations,
        instances=instances,
        apply=Apply(store, lifecycle, images, declarations, rollouts),
        rollouts=rollouts,
        announce=reservations.refresh,
        governor=governor,
        bmcs=bmcs,
        consoles=consoles,
        captured=captured,
        boots=boots,
    )
    power_sync = PowerSync(
        store, lifecycle, governor, conductor.wake, name=config.name, **config.power_sync.model_dump()
    )
    return Seed(
        store,
        governor,
        learnt,
        conductor,
        reservations,
        power_sync,
        captures,
        ejecting,
        operators.create(context),
        machines.create(store, boot, media, ramdisk, instances, arrivals, base_url, conductor.wake),
        files.create(boot, images),
    )


def _governor(learnt: Learnt, bmc: Callable[[Endpoint], BMC] | None) -> Governor:
    """Whoever gives his own `bmc` has it swept by it too."""
    reach = unpaced(bmc) if bmc else connect
    return Governor(reach, None if bmc else Sweep(), recall=learnt.recall, urgent=learnt.wake)
