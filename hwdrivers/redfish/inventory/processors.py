"""Processors: those that run the operating system, and those that only compute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwdrivers.inventory import CPU, Processor
from hwdrivers.redfish.inventory.found import Found, keys_of, own
from hwdrivers.redfish.inventory.resource import Resource, labelled
from hwdrivers.redfish.inventory.values import architecture, mhz, total
from hwdrivers.told import told


def read_processors(holder: Resource) -> list[Found[Processor]]:
    """CPUs, GPUs, FPGAs and others in the Processors of a system, a chassis or a network adapter."""
    named = labelled(holder.members("Processors"))
    return [
        Found(_processor(name, item), _keys(item), own(item))
        for name, item in named
        if item.present and _is_whole(item)
    ]


def is_cpu(processor: Processor) -> bool:
    return processor.kind == "CPU"


def summary(system: Resource, cpus: Sequence[Processor]) -> CPU:
    """All CPUs of a system together, as an operating system on it would count them."""
    # HPE Cray EX235n tells its GPUs' model here: the processors themselves know better.
    model = _shared(cpu.model for cpu in cpus) or system.text("ProcessorSummary", "Model")
    return CPU(
        architecture=_shared(cpu.architecture for cpu in cpus) or architecture(model),
        count=_threads(system, cpus),
        model=model,
        frequency_mhz=max((cpu.frequency_mhz for cpu in cpus if cpu.frequency_mhz), default=None),
        sockets=len(cpus) or system.positive("ProcessorSummary", "Count"),
        cores=_all(cpu.cores for cpu in cpus) or system.positive("ProcessorSummary", "CoreCount"),
    )


def _is_whole(item: Resource) -> bool:
    return item.value("ProcessorType") not in ("Core", "Thread")


def _processor(name: str, item: Resource) -> Processor:
    kind = item.text("ProcessorType") or "CPU"
    return Processor(
        name=name,
        kind=kind,
        vendor=item.text("Manufacturer"),
        model=item.text("Model"),
        architecture=_architecture(item),
        cores=item.positive("TotalCores"),
        threads=item.positive("TotalThreads"),
        frequency_mhz=mhz(item.value("MaxSpeedMHz")) or _running(item),
        operating_mhz=_running(item),
        memory_mib=None if kind == "CPU" else _memory(item),
        serial=item.text("SerialNumber"),
        part_number=item.text("PartNumber"),
        firmware=item.text("FirmwareVersion"),
        health=item.health,
    )


def _keys(item: Resource) -> frozenset[str]:
    links = ("PCIeDevice", "PCIeDevices", "PCIeFunctions", "GraphicsController")
    return keys_of(item, *(item.paths("Links", name) for name in links))


def _running(item: Resource) -> float | None:
    return mhz(item.value("OperatingSpeedMHz")) or mhz(item.value("BaseSpeedMHz"))


def _memory(item: Resource) -> int | None:
    """What is on board, caches aside: ProcessorMemory, MemorySummary or the modules that are linked."""
    own = item.links("ProcessorMemory")
    modules = [memory.positive("CapacityMiB") for memory in own if not _is_cache(memory)]
    linked = (memory.positive("CapacityMiB") for memory in item.links("Links", "Memory"))
    return total(modules) or item.positive("MemorySummary", "TotalMemorySizeMiB") or total(linked)


def _is_cache(memory: Resource) -> bool:
    return "Cache" in (memory.text("MemoryType") or "")


def _architecture(item: Resource) -> str | None:
    return architecture(
        item.text("Model"), _word(item, "InstructionSet"), _word(item, "ProcessorArchitecture")
    )


def _word(item: Resource, name: str) -> str | None:
    """iDRAC 8 and 9 of 2017 tell [{"Member": "x86-64"}]."""
    value = item.value(name)
    listed = value[0] if isinstance(value, list) and value else None
    return item.text(name) or told(listed.get("Member") if isinstance(listed, dict) else None)


def _threads(system: Resource, cpus: Sequence[Processor]) -> int | None:
    logical = system.positive("ProcessorSummary", "LogicalProcessorCount")
    threads, cores = _all(cpu.threads for cpu in cpus), _all(cpu.cores for cpu in cpus)
    if logical and not (threads and cores and not cores <= logical <= threads):
        return logical  # fewer than threads where hyper-threading is off
    return threads or logical or cores or system.positive("ProcessorSummary", "CoreCount")


def _all(values: Iterable[int | None]) -> int | None:
    """Their sum, where each is told."""
    told_values = list(values)
    return total(told_values) if all(told_values) else None


def _shared(values: Iterable[str | None]) -> str | None:
    """What they all tell, or the first of several."""
    return next(filter(None, values), None)
