"""The namespaces that these tests stand in are those of tests/pxe, the database server that of tests/seed."""

from __future__ import annotations

import sys
from pathlib import Path

for other in ("pxe", "seed"):
    sys.path.append(str(Path(__file__).parents[1] / other))
