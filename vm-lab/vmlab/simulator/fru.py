"""The FRU area of a recording: its serial numbers and checksums (FRU 1.3 sections 8 to 13)."""

from __future__ import annotations

from collections.abc import Iterator

# Area number in the common header → bytes before its fields, which fields are serial numbers or asset tags.
_AREAS = {2: (3, (1,)), 3: (6, (2,)), 4: (3, (4, 5))}
_END, _TEXT = 0xC1, 0xC0


def _areas(area: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each that is there and whole."""
    for number in _AREAS:
        start = area[number] * 8 if len(area) >= 8 else 0
        end = start + area[start + 1] * 8 if start and start + 1 < len(area) else 0
        if start < end <= len(area):
            yield number, start, end


def serials(area: bytes) -> list[str]:
    found = []
    for number, start, end in _areas(area):
        skip, wanted = _AREAS[number]
        fields = list(_fields(area[start + skip : end]))
        found += [fields[at] for at in wanted if at < len(fields)]
    return [text for text in found if text.strip()]


def _fields(area: bytes) -> Iterator[str]:
    at = 0
    while at < len(area) and area[at] != _END:
        length = area[at] & 0x3F
        yield area[at + 1 : at + 1 + length].decode("latin-1") if area[at] & _TEXT == _TEXT else ""
        at += 1 + length


def checked(area: bytes) -> bytes:
    """With the checksums that its areas need now."""
    parts = bytearray(area)
    for _, start, end in _areas(area):
        parts[end - 1] = -sum(parts[start : end - 1]) & 0xFF
    return bytes(parts)
