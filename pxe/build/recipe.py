"""What a build is: a recipe with a fingerprint, a place to work in, and a product."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol

from pxe.build.manifest import Compression, DiskFormat, Kind
from pxe.build.progress import Progress


@dataclass(frozen=True)
class Workshop:
    """Where one build happens: `scratch` is thrown away afterwards, `product` becomes the image's folder."""

    scratch: Path
    product: Path
    progress: Progress


@dataclass(frozen=True)
class Product:
    """What a recipe made: its files by part, relative to the product folder; `virtual_size` in bytes."""

    parts: Mapping[str, str]
    packages: Sequence[str] = ()
    python_packages: Sequence[str] = ()
    disk_format: DiskFormat | Literal["oci-archive"] | None = None
    compression: Compression | None = None
    virtual_size: int | None = None


class Recipe(Protocol):
    """One kind of image with its parameters."""

    @property
    def name(self) -> str:
        """The image's name, and its folder's."""
        ...

    @property
    def kind(self) -> Kind:
        """What the image is for."""
        ...

    def fingerprint(self) -> str:
        """Hash of everything that decides the result."""
        ...

    def make(self, workshop: Workshop) -> Product:
        """Do the work. May be interrupted at any point; nothing outside the workshop changes."""
        ...


def fingerprint(parameters: Mapping[str, object], sources: Sequence[ModuleType]) -> str:
    """Hash parameters together with the code of the modules that turn them into an image.

    The syntax tree, not the text: a new comment does not make anybody build again.
    """
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode())
    for module in sources:
        digest.update(ast.dump(ast.parse(inspect.getsource(module))).encode())
    return digest.hexdigest()
