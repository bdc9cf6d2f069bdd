"""Read the image once more before the machine is touched: a damaged file is found here."""

from __future__ import annotations

from datetime import timedelta

from pxe.images import ImageError
from seed.images import Images
from seed.step import Complete, Failed, Result, Walk


class CheckImage:
    """The bytes on the seed are those that were there when the deploy was asked."""

    name = "check_image"
    timeout = timedelta(minutes=30)
    abortable = True
    needs: str | None = None

    def __init__(self, images: Images) -> None:
        self._images = images

    def execute(self, walk: Walk) -> Result:
        instance = walk.node.instance
        if instance is None:
            return Failed("no instance is declared; ask for the deploy again")
        try:
            image = self._images.verified(instance.image, instance.deploy)
        except ImageError as error:
            return Failed(str(error))
        if image.sha512 != instance.sha512:
            return Failed(f"image '{image.name}' was replaced since the deploy was asked; ask again")
        return Complete(f"image '{image.name}' has the declared checksum")
