"""The client of the seed's API; where no seed runs, the same application answers inside this process."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import socket
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bootstrap.config import Config

if TYPE_CHECKING:  # the imports cost half a second, which `--help` and errors need not wait for
    import httpx
    from fastapi import FastAPI


class Refused(RuntimeError):
    """The seed refused; the message is its own."""


class SeedSilent(RuntimeError):
    """A seed listens but its answer did not arrive."""


class Client:
    """One way in: HTTP over the seed's local socket, or straight into the application."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.seed_runs = is_up(config)
        who = os.environ.get("SUDO_USER") or getpass.getuser()
        self._headers = {"X-Undercloud-User": who}

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body)

    def call(self, method: str, path: str, body: Any = None, *, query: dict[str, Any] | None = None) -> Any:
        """The decoded answer; raises Refused with the seed's words."""
        wanted = {key: value for key, value in (query or {}).items() if value is not None}
        if self.seed_runs:
            with _answering():
                answer = self._seed.request(method, path, json=body, params=wanted)
        else:
            answer = self._inside(method, path, body, wanted)
        if answer.status_code >= 400:
            raise Refused(_words(answer.status_code, answer.text))
        return answer.json() if answer.content else None

    def stream(self, path: str, body: Any) -> Generator[Any, None, None]:
        """POST and yield each line of the answer (JSON) as it arrives."""
        if not self.seed_runs:
            yield from self._stream_inside(path, body)
            return
        with _answering(), self._seed.stream("POST", path, json=body) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise Refused(_words(answer.status_code, answer.text))
            for line in answer.iter_lines():
                yield json.loads(line)

    def _stream_inside(self, path: str, body: Any) -> Generator[Any, None, None]:
        from bootstrap.compose import compose
        from bootstrap.inside import Inside

        seed = compose(self.config)
        try:
            seed.store.migrate()
            with closing(Inside(seed.operators, f"/v1{path}", body, self._headers)) as answer:
                if (status := answer.status()) >= 400:
                    raise Refused(_words(status, "\n".join(answer.lines())))
                yield from (json.loads(line) for line in answer.lines())
        finally:
            seed.close()

    @cached_property
    def _seed(self) -> httpx.Client:
        import httpx

        transport = httpx.HTTPTransport(uds=str(self.config.socket))
        return httpx.Client(
            transport=transport, base_url="http://seed/v1", headers=self._headers, timeout=120
        )

    def _inside(self, method: str, path: str, body: Any, query: dict[str, Any]) -> httpx.Response:
        from bootstrap.compose import compose

        seed = compose(self.config)
        try:
            seed.store.migrate()
            return asyncio.run(self._ask(seed.operators, method, path, body, query))
        finally:
            seed.close()

    async def _ask(
        self, app: FastAPI, method: str, path: str, body: Any, query: dict[str, Any]
    ) -> httpx.Response:
        import httpx

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://seed/v1", headers=self._headers
        ) as client:
            return await client.request(method, path, json=body, params=query)


def is_up(config: Config) -> bool:
    """Whether a seed listens on the configured socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(config.socket))
        except OSError:
            return False
    return True


@contextmanager
def _answering() -> Iterator[None]:
    """Turn the library's errors into ours."""
    import httpx

    try:
        yield
    except httpx.HTTPError as error:
        said = str(error) or type(error).__name__
        raise SeedSilent(f"the seed does not answer ({said}); see `undercloud seed status`") from error


def _words(status: int, text: str) -> str:
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        return f"the seed answers {status}: {text[:300]}"
    if isinstance(detail, list):
        return "; ".join(f"{_place(item['loc'])}: {item['msg']}" for item in detail)
    return str(detail)


def _place(loc: list[Any]) -> str:
    """Where in the body; what an operation is given stands in its "args", which no operator wrote."""
    inner = loc[2:] if loc[1:2] == ["args"] and len(loc) > 2 else loc[1:]
    return ".".join(map(str, inner))
