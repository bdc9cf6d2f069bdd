"""A boot ISO in the virtual drive of a BMC."""

from __future__ import annotations

from urllib.parse import urlsplit

from hwdrivers.bmc import BMC
from hwdrivers.errors import BMCError, Unsupported
from hwdrivers.interfaces import Interface, Media
from hwdrivers.offers import offered

KIND = "CD"


def drive(bmc: BMC, node: str) -> Media:
    """The virtual media of a BMC that takes CDs; raises Unsupported, before anything is changed."""
    try:
        media = offered(bmc.address, Interface.MEDIA, bmc.media)
        slots = media.slots()
    except Unsupported as error:
        raise Unsupported(f"{error}; or boot it from the network: {_by_network(node)}") from error
    if not any(kind.upper() in ("CD", "DVD") for slot in slots for kind in slot.kinds):
        kinds = ", ".join(kind for slot in slots for kind in slot.kinds) or "no media"
        advice = f"boot it from the network: {_by_network(node)}"
        raise Unsupported.at(bmc.address, "insert a boot ISO", f"its drives take {kinds}", advice)
    return media


def insert(media: Media, image: str) -> None:
    """Insert the ISO at this URL; what was in the drive is ejected. Raises BMCError."""
    try:
        media.attach(image, KIND)
    except BMCError as error:
        where = urlsplit(image)
        reach = f"the BMC fetches the ISO itself: it must reach {where.scheme}://{where.netloc}"
        raise type(error)(
            f"{str(error).replace(image, 'its boot ISO')}; {reach} (provisioning: media_url)",
            retryable=error.retryable,
        ) from error


def eject(bmc: BMC, image: str) -> bool:
    """Empty the drive that holds the image of this URL; whether there was one. Any other image stays.

    By the file's name, which nobody guesses: some BMCs tell a path without the host, or a name alone.
    """
    name = image.rpartition("/")[2]
    if bmc.media is None or not any(name in (slot.image or "") for slot in bmc.media.slots()):
        return False
    bmc.media.detach(KIND)
    return True


def _by_network(node: str) -> str:
    return f"undercloud node set {node} --boot-interface pxe"
