"""TFTP (RFC 1350, 2347 to 2349) by tftpy: boot files fetched as firmware does, and served without dnsmasq."""

from __future__ import annotations

import io
import logging
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pxe.milestones import Milestone, TFTPFailure

log = logging.getLogger(__name__)
logging.getLogger("tftpy").setLevel(logging.CRITICAL)


class TFTPFailed(OSError):
    """A boot file did not arrive whole, or the port is not to be had."""


def fetch(server: str, filename: str, *, port: int = 69, timeout: float = 5, block: int = 512) -> bytes:
    """The bytes of `filename`; 512-byte blocks are what the oldest PXE ROMs ask for; raises TFTPFailed."""
    import tftpy  # 0.1 s that only those pay who fetch

    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "file"
        try:
            client = tftpy.TftpClient(server, port, options={} if block == 512 else {"blksize": block})
            client.download(filename, str(target), timeout=timeout)
            return target.read_bytes()
        except (tftpy.TftpException, OSError) as error:
            raise TFTPFailed(f"{filename} from {server}:{port} by TFTP: {error}") from error


class TFTPServer:
    """Serves one folder, read only, where there is no dnsmasq: a laptop beside a site's DHCP server.

    A context manager; `tell` gets what dnsmasq's log would tell. tftpy has one thread for all machines: it
    is for a few at once.
    """

    def __init__(
        self, root: Path, address: str, tell: Callable[[Milestone], None], *, port: int = 69
    ) -> None:
        self._root = root.resolve()
        self._where = (address, port)
        self._tell = tell
        self._error: OSError | None = None
        self._ending = False
        self._empty = tempfile.TemporaryDirectory()  # tftpy opens what it finds there, without a word to us
        self._server: Any = None
        self._thread = threading.Thread(target=self._serve, name="tftp", daemon=True)

    def __enter__(self) -> Self:
        import tftpy

        self._server = tftpy.TftpServer(
            self._empty.name, dyn_file_func=self._open, upload_open=lambda *asked: None
        )
        self._thread.start()
        while not self._server.is_running.wait(0.05) and self._thread.is_alive():
            pass
        if self._error is not None:
            self._empty.cleanup()
            address, port = self._where
            raise TFTPFailed(f"cannot serve TFTP on {address}:{port}: {self._error.strerror}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._server.stop(now=True)
        self._thread.join(5)
        self._empty.cleanup()

    @property
    def port(self) -> int:
        """Where it listens: the one that was asked for, or what 0 became."""
        return int(self._server.listenport)

    def _serve(self) -> None:
        address, port = self._where
        while not self._ending:
            try:
                self._server.listen(address, port, timeout=1)
            except OSError as error:
                self._error = error
                return
            except Exception as error:  # tftpy 0.8.6 ends at a block size that is no number
                log.warning("TFTP: a request that is none (%s); transfers under way begin again", error)
                port = self.port
                self._server.sock.close()
                self._server.sessions.clear()

    def _open(self, filename: str, *, raddress: str, rport: int) -> io.FileIO | None:
        path = (self._root / filename.lstrip("/")).resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            data = {"file": filename, "reason": "not found", "failure": TFTPFailure.NOT_FOUND}
            words = f"file {filename} not found for {raddress}"
            self._tell(Milestone("boot.tftp-failed", words, address=raddress, data=data))
            return None
        return _Sent(path, lambda: self._sent(path.name, raddress))

    def _sent(self, name: str, address: str) -> None:
        self._tell(Milestone("boot.tftp", f"sent {name} by TFTP", address=address, data={"file": name}))


class _Sent(io.FileIO):
    """A file that says when its last block was read."""

    def __init__(self, path: Path, done: Callable[[], None]) -> None:
        super().__init__(path)
        self._done = done

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size) or b""
        if size is not None and 0 <= len(data) < size:
            self._done()
        return data
