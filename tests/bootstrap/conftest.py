"""The namespaces that these tests stand in are those of tests/pxe."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "pxe"))
