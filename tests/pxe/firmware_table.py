"""The architecture table as on a seed that has every loader, whatever is installed here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pxe.firmware import ARCHITECTURES, Architecture, Loader


def _there(loader: Loader | None) -> Loader | None:
    return replace(loader, path=Path(__file__), then=_there(loader.then)) if loader else None


def complete() -> dict[int, Architecture]:
    """The table with loaders that all are there."""
    return {
        code: replace(each, ipxe=_there(each.ipxe), signed=_there(each.signed))
        for code, each in ARCHITECTURES.items()
    }
