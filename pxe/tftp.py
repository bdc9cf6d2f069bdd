"""Fetch a boot file by TFTP as firmware would (RFC 1350), to know that it can be had."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

logging.getLogger("tftpy").setLevel(logging.ERROR)


class TFTPFailed(OSError):
    """A boot file did not arrive whole."""


def fetch(server: str, filename: str, *, port: int = 69, timeout: float = 5) -> bytes:
    """The bytes of `filename`; 512-byte blocks, as the oldest PXE ROMs ask for; raises TFTPFailed."""
    import tftpy  # 0.1 s that only those pay who fetch

    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "file"
        try:
            tftpy.TftpClient(server, port).download(filename, str(target), timeout=timeout)
            return target.read_bytes()
        except (tftpy.TftpException, OSError) as error:
            raise TFTPFailed(f"{filename} from {server}:{port} by TFTP: {error}") from error
