"""MAC addresses in the one spelling that the rest of the project compares: aa:bb:cc:dd:ee:ff."""

from __future__ import annotations

import re


def normal_mac(text: object) -> str | None:
    """From aa:bb…, AA-BB-…, aabb.ccdd.… or bare digits; None for anything else, and for all zeros.

    InfiniBand GUIDs (8 or 20 bytes) are no MACs.
    """
    digits = re.sub(r"[:\-.]", "", text).lower() if isinstance(text, str) else ""
    if not re.fullmatch(r"(?!0{12})[0-9a-f]{12}", digits):
        return None
    return ":".join(re.findall("..", digits))
