"""An HTTP answer of a Redfish service."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from vmlab.simulator.redfish.documents import dumps

_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def packed(self) -> bytes:
        head = f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\nOData-Version: 4.0\r\n"
        if self.body:
            head += "Content-Type: application/json\r\n"
        for name, value in self.headers.items():
            head += f"{name}: {value}\r\n"
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode("latin-1") + self.body


def error(status: int, message: str, text: str, **headers: str) -> Answer:
    """DSP0266 section 8.6; `message` is one of the Base registry's."""
    info = {"@odata.type": "#Message.v1_1_2.Message", "MessageId": f"Base.1.18.{message}", "Message": text}
    told: dict[str, Any] = {"code": f"Base.1.18.{message}", "message": text, "@Message.ExtendedInfo": [info]}
    return Answer(status, dumps({"error": told}), {k.replace("_", "-"): v for k, v in headers.items()})


def not_found(path: str) -> Answer:
    return error(404, "ResourceMissingAtURI", f"The resource at the URI {path} was not found.")


def collection(path: str, kind: str, names: list[str]) -> dict[str, Any]:
    members = [{"@odata.id": f"{path}/{name}"} for name in names]
    kind = f"#{kind}Collection.{kind}Collection"
    told = {"@odata.id": path, "@odata.type": kind, "Name": "Collection", "Members": members}
    return {**told, "Members@odata.count": len(members)}
