"""Ask the agent which deploy steps it has, and put those that are declared around our own, by priority."""

from __future__ import annotations

from datetime import timedelta

from profiles.hosts import DeployStep, Host
from seed import agent_steps
from seed.agent import agent_node
from seed.agent_steps import Document, NotOffered, name_of
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Walk
from seed.steps.identity import mismatch
from seed.steps.write_image import STEP
from seed.wanted_steps import WantedStep

# Ironic's priorities of what is ours (its docs, "Node Deployment", core deploy steps): deploy.write_image 80,
# deploy.prepare_instance_boot 60. A step without a priority comes between them: the image is on the disk.
WRITE, BOOTLOADER = 80, 60
BETWEEN = (WRITE + BOOTLOADER) // 2


class ListDeploySteps:
    """A step that is not offered fails the deploy before anything is written."""

    name = "list_deploy_steps"
    timeout = timedelta(minutes=10)
    abortable = True
    needs: str | None = None

    def __init__(self, ramdisk: Ramdisk) -> None:
        self._ramdisk = ramdisk

    def execute(self, walk: Walk) -> Result:
        node, agent = walk.node, self._ramdisk.agent(walk.node)
        if node.instance is None or agent is None or agent.report is None:
            return Failed("the agent or the instance is gone; ask for the deploy again")
        wrong = mismatch(node, agent.report)
        if wrong:
            return Failed(wrong)
        offered, _ = self._ramdisk.client(node).steps("deploy", agent_node(node))
        host = Host.model_validate(node.instance.host)
        if lacking := _lacking(host, offered):
            return Failed(
                f"this ramdisk cannot write images as this seed orders them (no {lacking}): "
                "build it again: undercloud image build-ramdisk"
            )
        try:
            return _around(host.deploy_steps, offered)
        except NotOffered as error:
            return Failed(str(error))


def _lacking(host: Host, offered: list[Document]) -> str | None:
    """What the ramdisk's image manager is too old for."""
    ours = [step for step in offered if name_of(step) == f"deploy.{STEP}"]
    if not ours:
        return f"deploy.{STEP}"
    if host.software_raid and "mirror" not in ours[0].get("argsinfo", {}):
        return "software RAID"
    return None


def _around(declared: tuple[DeployStep, ...], offered: list[Document]) -> Complete:
    taken = sorted((step for step in declared if _priority(step) > 0), key=lambda step: -_priority(step))
    wanted = [WantedStep(step=_name(step), interface=_interface(step), args=step.args) for step in taken]
    references, documents = agent_steps.references(agent_steps.asked_for(wanted, offered), "deploy")
    where = [(_priority(step), reference) for step, reference in zip(taken, references, strict=True)]
    first = tuple(reference for priority, reference in where if priority > WRITE)
    after = {
        "write_image": [reference for priority, reference in where if BOOTLOADER < priority <= WRITE],
        "install_bootloader": [reference for priority, reference in where if priority <= BOOTLOADER],
    }
    note = f"{len(offered)} offered; declared: {', '.join(references) or 'none'}"
    return Complete(note, then=first, args={"chosen": documents, "after": after})


def _priority(step: DeployStep) -> int:
    return BETWEEN if step.priority is None else step.priority


def _interface(step: DeployStep) -> str:
    return step.step.partition(".")[0]


def _name(step: DeployStep) -> str:
    return step.step.partition(".")[2]
