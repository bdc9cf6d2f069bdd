"""What each way of firmware to its second stage costs: CPU seconds of QEMU (TCG), one machine after another.

    .venv/bin/python tests/bench/boot_paths.py

With iPXE until its script has sent the machine to its disk, with GRUB until the kernel speaks (14 MB by TFTP,
or in an ISO by HTTP); the ramdisk is empty.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "pxe"))

from test_firmware_boots import WAYS


def main() -> None:
    for name, way in WAYS.items():
        with tempfile.TemporaryDirectory(prefix="boot-path-") as folder:
            boot = way(Path(folder))
        print(f"{name:10} {boot.run.cpu:6.1f} CPU s   {way.__doc__ or ''}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
