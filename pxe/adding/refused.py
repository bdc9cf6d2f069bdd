"""Why an image is not taken."""

from __future__ import annotations

from pxe.images import ImageError


class Refused(ImageError):
    """The image, its checksum or its signature is not what it must be; nothing was changed."""


class NotFetched(ImageError):
    """The file could not be had; nothing was changed."""
