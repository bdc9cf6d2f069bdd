"""Fetch a file from http(s) or this machine, going on where a connection broke off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from pxe.adding.refused import NotFetched
from pxe.process import without_credentials

CHUNK = 1 << 20
_BREAKS = 5  # without a byte in between, before it is given up
_TIMEOUT = httpx.Timeout(60, connect=10)
_SMALL = 4 << 20  # lists of checksums, signatures

Report = Callable[[int, int | None], None]
"""Told how many bytes came, and of how many (None: nobody knows)."""


def file_name(source: str) -> str:
    """What lists of checksums call a URL or path."""
    return Path(unquote(urlsplit(source).path)).name


def fetch(source: str, target: Path, algorithm: str, report: Report) -> str:
    """Write `source` to `target`, with holes where it is zero, and return its checksum in hex.

    Raises NotFetched.
    """
    digest, size = hashlib.new(algorithm), 0
    with target.open("wb") as file:
        for chunk in _chunks(source, report):
            digest.update(chunk)
            size += len(chunk)
            if chunk.count(0) == len(chunk):
                file.seek(size)
            else:
                file.write(chunk)
        file.truncate(size)
    return digest.hexdigest()


def fetch_small(source: str) -> bytes:
    """The whole of a small file; raises NotFetched."""
    content = b""
    for chunk in _chunks(source, lambda done, total: None):
        content += chunk
        if len(content) > _SMALL:
            raise NotFetched(
                f"{without_credentials(source)} is too large for a list of checksums or a signature"
            )
    return content


def _chunks(source: str, report: Report) -> Iterator[bytes]:
    parts = urlsplit(source)
    if parts.scheme in ("http", "https"):
        with httpx.Client(follow_redirects=True, timeout=_TIMEOUT) as client:
            yield from _Remote(source, client, report).chunks()
    elif parts.scheme in ("", "file"):
        yield from _local(Path(unquote(parts.path)), report)
    else:
        raise NotFetched(
            f"{without_credentials(source)}: fetch it by http, https or as a file, not {parts.scheme}"
        )


def _local(path: Path, report: Report) -> Iterator[bytes]:
    done = 0
    try:
        with path.open("rb") as file:
            total = path.stat().st_size
            while chunk := file.read(CHUNK):
                done += len(chunk)
                report(done, total)
                yield chunk
    except OSError as error:
        raise NotFetched(f"{path} cannot be read: {error.strerror}") from error


class _Broken(Exception):
    """The connection ended early; what is missing is asked for once more."""


class _Remote:
    """One file of a web server (RFC 9110 section 14: ranges; section 13.1.5: If-Range)."""

    def __init__(self, url: str, client: httpx.Client, report: Report) -> None:
        self._url, self._client, self._report = url, client, report
        self._done = 0
        self._total: int | None = None
        self._version: str | None = None

    def chunks(self) -> Iterator[bytes]:
        breaks = 0
        while True:
            before = self._done
            try:
                yield from self._once()
                return
            except (_Broken, httpx.TransportError) as error:
                breaks = 1 if self._done > before else breaks + 1
                if breaks >= _BREAKS:
                    raise NotFetched(f"{self._name}: {_words(error)}, {breaks} times in a row") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise NotFetched(f"{self._name}: {_words(error)}") from error
            time.sleep(min(2**breaks / 10, 10))

    def _once(self) -> Iterator[bytes]:
        """From where we are to the end, or as far as the connection lasts."""
        headers = {"Accept-Encoding": "identity"}
        if self._done:
            headers |= {"Range": f"bytes={self._done}-"} | (
                {"If-Range": self._version} if self._version else {}
            )
        with self._client.stream("GET", self._url, headers=headers) as answer:
            skip = self._accept(answer)
            for chunk in answer.iter_raw():  # as it comes: what waits for more would be lost in a break
                new = chunk[skip:]
                skip = max(0, skip - len(chunk))
                self._done += len(new)
                self._report(self._done, self._total)
                if new:
                    yield new
        if self._total is not None and self._done < self._total:
            raise _Broken(f"the connection ended after {self._done} of {self._total} bytes")

    def _accept(self, answer: httpx.Response) -> int:
        """How many bytes to skip: a server that knows no ranges begins at the beginning again."""
        if answer.status_code in (429, 502, 503, 504):
            raise _Broken(f"the server answers {answer.status_code} {answer.reason_phrase}")
        if answer.status_code not in (200, 206):
            raise NotFetched(f"{self._name}: the server answers {answer.status_code} {answer.reason_phrase}")
        tag = answer.headers.get("etag")
        version = tag if tag and not tag.startswith("W/") else answer.headers.get("last-modified")
        if self._done and version != self._version:
            raise NotFetched(f"{self._name} was replaced while it was fetched; try again")
        self._version = version
        if answer.status_code == 206:
            return 0
        length = answer.headers.get("content-length")
        self._total = int(length) if length else None
        return self._done

    @property
    def _name(self) -> str:
        return without_credentials(self._url)


def _words(error: Exception) -> str:
    return without_credentials(str(error)) or type(error).__name__
