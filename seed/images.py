"""The images that this seed serves."""

from __future__ import annotations

from pathlib import Path

from profiles.hosts import Deploy
from pxe.images import ImageNotFound, OSImage, Ramdisk, load, load_os_image, load_ramdisk, verify

HostImage = OSImage | Ramdisk


class Images:
    """Images by name in one directory, and the URLs under which machines fetch them."""

    def __init__(self, directory: Path, files_url: str, ramdisk: str) -> None:
        self._directory = directory
        self._files_url = files_url
        self._ramdisk = ramdisk
        self._read: dict[str, list[tuple[Path, int, int]]] = {}

    def os_image(self, name: str) -> OSImage:
        """Raises ImageError when it is missing or its manifest is broken."""
        return load_os_image(self._directory, name)

    def image(self, name: str) -> HostImage:
        """What hosts may be made of, by name alone; raises ImageError."""
        image = load(self._directory, name)
        if not isinstance(image, HostImage):
            raise ImageNotFound(f"{name} in {self._directory} is a container image, which no host is made of")
        return image

    def of_host(self, name: str, deploy: Deploy) -> HostImage:
        """What a host that is deployed so is made of; raises ImageError, for another kind of image too."""
        return self.host_ramdisk(name) if deploy is Deploy.RAMDISK else self.os_image(name)

    def verified(self, name: str, deploy: Deploy = Deploy.DIRECT) -> HostImage:
        """The same, after reading all its bytes, once while its files stay as they are; raises ImageError."""
        image = self.of_host(name, deploy)
        paths = [image.kernel, image.initramfs] if isinstance(image, Ramdisk) else [image.path]
        seen = [(path, stat.st_mtime_ns, stat.st_size) for path in paths for stat in [path.stat()]]
        if self._read.get(image.sha512) != seen:
            verify(image)
            self._read[image.sha512] = seen
        return image

    def host_ramdisk(self, name: str) -> Ramdisk:
        """The kernel and initramfs of hosts that run from memory; raises ImageError."""
        return load_ramdisk(self._directory, name)

    def ramdisk(self) -> Ramdisk:
        """The deploy ramdisk that the configuration names."""
        return load_ramdisk(self._directory, self._ramdisk)

    def url(self, image: OSImage) -> str:
        return f"{self._files_url}/images/{image.name}"
