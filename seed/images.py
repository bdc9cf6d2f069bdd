"""The images that this seed serves."""

from __future__ import annotations

from pathlib import Path

from pxe.images import OSImage, Ramdisk, load_os_image, load_ramdisk, verify


class Images:
    """Images by name in one directory, and the URLs under which machines fetch them."""

    def __init__(self, directory: Path, files_url: str, ramdisk: str) -> None:
        self._directory = directory
        self._files_url = files_url
        self._ramdisk = ramdisk
        self._read: dict[str, tuple[OSImage, int, int]] = {}

    def os_image(self, name: str) -> OSImage:
        """Raises ImageError when it is missing or its manifest is broken."""
        return load_os_image(self._directory, name)

    def verified(self, name: str) -> OSImage:
        """The image, after reading all its bytes, once while the file stays as it is; raises ImageError."""
        image = self.os_image(name)
        file = image.path.stat()
        if self._read.get(name) != (image, file.st_mtime_ns, file.st_size):
            verify(image)
            self._read[name] = (image, file.st_mtime_ns, file.st_size)
        return image

    def host_ramdisk(self, name: str) -> Ramdisk:
        """The kernel and initramfs of hosts that run from memory; raises ImageError."""
        return load_ramdisk(self._directory, name)

    def ramdisk(self) -> Ramdisk:
        """The deploy ramdisk that the configuration names."""
        return load_ramdisk(self._directory, self._ramdisk)

    def url(self, image: OSImage) -> str:
        return f"{self._files_url}/images/{image.name}"
