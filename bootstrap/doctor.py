"""What a machine would get from this seed, fetched as a machine fetches it; reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import httpx

from bootstrap import process
from bootstrap.config import Config
from pxe.firmware import LOADERS, Loader, required
from pxe.images import ImageError, load_ramdisk, verify
from pxe.tftp import TFTPFailed, fetch

PATIENCE = 5.0  # seconds for one answer


class Verdict(StrEnum):
    """How a look at something ended."""

    GOOD = "good"
    MISSING = "not used"  # what it is for cannot be had, and nobody asked for it
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was seen, why that matters, and what to do."""

    check: str
    verdict: Verdict
    seen: str
    why: str = ""
    do: str = ""


def examine(config: Config) -> Iterator[Finding]:
    """Everything that can be looked at, each as soon as it was."""
    up = process.is_up(config)
    yield _seed(config, up)
    yield _ramdisk(config)
    if not up:
        return
    if config.provisioning.serves_tftp:
        yield from _loaders(config)
    yield _script(config)
    yield _files(config)


def _seed(config: Config, up: bool) -> Finding:
    if up:
        return Finding("seed", Verdict.GOOD, f"answers on {config.socket}")
    return Finding(
        "seed",
        Verdict.BAD,
        f"nobody answers on {config.socket}",
        "no machine gets an address or a boot file",
        "undercloud seed start",
    )


def _ramdisk(config: Config) -> Finding:
    name = config.ramdisk.image
    try:
        ramdisk = load_ramdisk(config.images_dir, name)
        verify(ramdisk)
    except ImageError as error:
        why = "machines boot it to be inspected, cleaned and deployed"
        return Finding(f"ramdisk {name}", Verdict.BAD, str(error), why, "undercloud image build-ramdisk")
    size = sum(path.stat().st_size for path in (ramdisk.kernel, ramdisk.initramfs))
    return Finding(f"ramdisk {name}", Verdict.GOOD, f"as it was built, {size / 1e6:.0f} MB to fetch")


def _loaders(config: Config) -> Iterator[Finding]:
    """By TFTP in the smallest blocks, as the oldest ROMs ask."""
    needed = {part for loader in required(config.provisioning.uefi_loader) for part in loader.chain()}
    for loader in LOADERS:
        if loader.path.exists():
            yield _loader(config, loader)
        elif loader in needed:
            yield Finding(
                f"TFTP {loader.filename}",
                Verdict.BAD,
                f"{loader.path} is not installed",
                "machines of its architecture get no boot loader",
                f"apt-get install {loader.package}, then undercloud seed stop; undercloud seed start",
            )
        else:
            seen = f"{loader.path} is not installed; its architecture gets no loader"
            yield Finding(
                f"TFTP {loader.filename}", Verdict.MISSING, seen, do=f"apt-get install {loader.package}"
            )


def _loader(config: Config, loader: Loader) -> Finding:
    address = str(config.provisioning.machines_address)
    why = "firmware that boots by PXE stops here"
    try:
        got = fetch(address, loader.filename, timeout=PATIENCE)
    except TFTPFailed as error:
        do = f"see who has the port: ss -lnup 'sport = :69'; see {config.log_file}"
        return Finding(f"TFTP {loader.filename}", Verdict.BAD, str(error), why, do)
    if got != loader.path.read_bytes():
        seen = f"{len(got)} bytes, others than {loader.path} has"
        return Finding(
            f"TFTP {loader.filename}", Verdict.BAD, seen, why, "undercloud seed stop; undercloud seed start"
        )
    return Finding(f"TFTP {loader.filename}", Verdict.GOOD, f"{len(got)} bytes, as {loader.package} has it")


def _script(config: Config) -> Finding:
    url = f"{config.provisioning.base_url}/boot.ipxe"
    status, text = _answer(url)
    if status == httpx.codes.OK and text.startswith("#!ipxe"):
        return Finding("boot script", Verdict.GOOD, f"{url} answers")
    seen, why = f"{url}: {status or text}", "machines get a loader and then no script"
    return Finding("boot script", Verdict.BAD, seen, why, f"see {config.log_file}")


def _files(config: Config) -> Finding:
    """A node that is not there gets no kernel, and nothing is journaled of it."""
    url = config.provisioning.files_url
    status, text = _answer(f"{url}/boot/none/kernel")
    if status == httpx.codes.NOT_FOUND:
        return Finding("files", Verdict.GOOD, f"{url} answers; let firewalls pass it")
    seen, why = f"{url}: {status or text}", "machines get a script and then no kernel"
    return Finding("files", Verdict.BAD, seen, why, f"see {config.log_file}")


def _answer(url: str) -> tuple[int | None, str]:
    """HTTP's status and the text; None, and why, where there is no answer."""
    try:
        answer = httpx.get(url, timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError as error:
        return None, str(error) or type(error).__name__
    return answer.status_code, answer.text
