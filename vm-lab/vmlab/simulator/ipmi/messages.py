"""IPMI messages on RMCP as bytes: IPMI 2.0 sections 13.6 and 13.8."""

from __future__ import annotations

import struct
from dataclasses import dataclass

# RMCP: version 6, sequence FFh (no acknowledge), class 7 (IPMI).
RMCP_IPMI = b"\x06\x00\xff\x07"
RMCP_ASF = b"\x06\x00\xff\x06"
IPMI, SOL, OPEN_REQUEST, OPEN_RESPONSE, RAKP1, RAKP2, RAKP3, RAKP4 = 0, 1, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15
BMC_ADDRESS = 0x20

_V15 = struct.Struct("<4sBIIB")
_V20 = struct.Struct("<4sBBIIH")


@dataclass(slots=True)
class Request:
    """An IPMI request. `key`: network function and command in one number."""

    key: int
    data: bytes
    requester: int
    sequence: int
    lun: int


def read_request(message: bytes) -> Request | None:
    """None: too short, a wrong checksum, or not for us."""
    if len(message) < 7 or message[0] != BMC_ADDRESS or sum(message[:3]) & 0xFF or sum(message[3:]) & 0xFF:
        return None
    key = (message[1] >> 2) << 8 | message[5]
    return Request(key, message[6:-1], message[3], message[4], message[1] & 3)


def response(request: Request, answer: bytes, damage: int = 0) -> bytes:
    """`answer`: completion code and data; `damage` is added to the last checksum."""
    head = bytes((request.requester, ((request.key >> 8) + 1) << 2 | (request.sequence & 3)))
    tail = bytes((BMC_ADDRESS, request.sequence & 0xFC | request.lun, request.key & 0xFF)) + answer
    checksums = -sum(head) & 0xFF, (-sum(tail) + damage) & 0xFF
    return b"%b%c%b%c" % (head, checksums[0], tail, checksums[1])


def outside_session(message: bytes) -> bytes:
    """In an IPMI 1.5 packet without authentication."""
    return _V15.pack(RMCP_IPMI, 0, 0, 0, len(message)) + message


def rmcp_plus(kind: int, session: int, sequence: int, payload: bytes) -> bytes:
    """An IPMI 2.0 packet up to the end of its payload."""
    return _V20.pack(RMCP_IPMI, 6, kind, session, sequence, len(payload)) + payload
