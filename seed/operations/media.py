"""Virtual media."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AfterValidator

from hwdrivers.bmc import BMC
from hwdrivers.interfaces import Interface, Media
from hwdrivers.offers import offered
from seed.operations.operation import Arguments, Operation, web_url


class Image(Arguments):
    """What to insert, and into what kind of drive."""

    image: Annotated[str, AfterValidator(web_url)]
    kind: str = "CD"


class Kind(Arguments):
    """Which drives; None: all."""

    kind: str | None = None


def _media(bmc: BMC) -> Media:
    return offered(bmc.address, Interface.MEDIA, bmc.media)


def _list(bmc: BMC, _: Arguments) -> dict[str, Any]:
    return {"slots": [asdict(slot) for slot in _media(bmc).slots()]}


def _attach(bmc: BMC, wanted: Image) -> dict[str, Any]:
    return {"slots": [asdict(_media(bmc).attach(wanted.image, wanted.kind))]}


def _detach(bmc: BMC, wanted: Kind) -> dict[str, Any]:
    _media(bmc).detach(wanted.kind)
    return _list(bmc, wanted)


LIST = Operation(_list)
ATTACH = Operation(_attach, Image, lambda wanted: f"gets {wanted.image} into its virtual {wanted.kind} drive")
DETACH = Operation(
    _detach, Kind, lambda wanted: f"has its virtual {wanted.kind + ' ' if wanted.kind else ''}drives emptied"
)
