"""RMCP+ log-in (RAKP) and the packets of a session: IPMI 2.0 sections 13.17 to 13.32."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vmlab.simulator.ipmi.messages import rmcp_plus
from vmlab.simulator.machine import Machine


@dataclass(frozen=True)
class Suite:
    """`code`: how many bytes of the hash make an integrity code."""

    number: int
    authentication: int
    integrity: int
    hash: str
    code: int


# Cipher suites by what a client proposes: (authentication, integrity, confidentiality), table 22-20.
SUITES = {(1, 1, 1): Suite(3, 1, 1, "sha1", 12), (3, 4, 1): Suite(17, 3, 4, "sha256", 16)}

_ENCRYPTED_AND_AUTHENTICATED = 0xC0
# Section 13.29: the pad of a message of this length, its own length at its end.
_PADS = [bytes(range(1, n + 1)) + bytes((n,)) for n in range(16)]


class Session:
    """`open`: the log-in is done. `seen`: the last 16 sequence numbers, as bits below `highest`."""

    __slots__ = (
        "_decrypt",
        "_encrypt",
        "_integrity_key",
        "bmc_random",
        "console",
        "console_random",
        "highest",
        "id",
        "integrity_failed",
        "last",
        "machine",
        "open",
        "peer",
        "privilege",
        "role",
        "seen",
        "sequence",
        "sik",
        "sol",
        "suite",
        "user",
    )

    def __init__(self, machine: Machine, suite: Suite, session_id: int, console: bytes, peer: Any) -> None:
        self.machine = machine
        self.suite = suite
        self.id = session_id
        self.console = console
        self.peer = peer
        self.open = False
        self.role = self.highest = self.seen = self.sequence = 0
        self.privilege = 2  # user, until Set Session Privilege Level asks for more
        self.user: bytes | None = None
        self.console_random = self.bmc_random = self.sik = b""
        self.last = 0.0
        self.sol: Any = None

    # --- the log-in

    def challenge(self, console_random: bytes, role: int, user: bytes) -> None:
        self.console_random, self.role, self.user = console_random, role, user
        self.bmc_random = os.urandom(16)

    def _role_and_name(self) -> bytes:
        user = self.user or b""
        return bytes((self.role, len(user))) + user

    def rakp2_code(self, key: bytes, guid: bytes) -> bytes:
        told = self.console + self.id.to_bytes(4, "little") + self.console_random + self.bmc_random + guid
        return hmac.digest(key, told + self._role_and_name(), self.suite.hash)

    def proves(self, key: bytes, code: bytes) -> bool:
        """Whether RAKP message 3 shows that the console knows the password."""
        told = self.bmc_random + self.console + self._role_and_name()
        return hmac.compare_digest(hmac.digest(key, told, self.suite.hash), code)

    def begin(self, key: bytes, guid: bytes) -> bytes:
        """Makes the session's keys; the integrity check value for RAKP message 4."""
        digest, random = self.suite.hash, self.console_random + self.bmc_random
        self.sik = hmac.digest(key, random + self._role_and_name(), digest)
        self._integrity_key = hmac.digest(self.sik, b"\x01" * 20, digest)
        cipher = Cipher(algorithms.AES(hmac.digest(self.sik, b"\x02" * 20, digest)[:16]), modes.ECB())  # noqa: S305
        # One context for all packets, the chaining of CBC is done here: making a context costs ten times
        # as much as the one or two blocks of a packet.
        self._encrypt, self._decrypt = cipher.encryptor(), cipher.decryptor()
        if not self.open:  # else the console has not heard our answer
            self.open, self.sequence, self.highest, self.seen = True, 0, 0, 0
        told = self.console_random + self.id.to_bytes(4, "little") + guid
        return hmac.digest(self.sik, told, digest)[: self.suite.code]

    # --- packets

    def read(self, packet: bytes) -> bytes | None:
        """The payload; None: not authentic, not encrypted as agreed, or seen before."""
        code = self.suite.code
        signed, length = packet[4:-code], int.from_bytes(packet[14:16], "little")
        if len(packet) < 16 + length + code or packet[5] & 0xC0 != _ENCRYPTED_AND_AUTHENTICATED:
            return None
        if hmac.digest(self._integrity_key, signed, self.suite.hash)[:code] != packet[-code:]:
            return None
        if not self._is_new(int.from_bytes(packet[10:14], "little")):
            return None
        return self._decrypted(packet[16 : 16 + length])

    def _is_new(self, sequence: int) -> bool:
        """Section 6.12.13: a packet counts once, and not when it is far behind."""
        ahead = sequence - self.highest
        if ahead > 0:
            self.seen = (self.seen << min(ahead, 16) | 1) & 0xFFFF
            self.highest = sequence
            return True
        bit = 1 << -ahead
        if ahead <= -16 or self.seen & bit:
            return False
        self.seen |= bit
        return True

    def _decrypted(self, payload: bytes) -> bytes | None:
        if len(payload) < 32 or len(payload) % 16:
            return None
        blocks = self._decrypt.update(payload[16:])
        plain = (int.from_bytes(blocks, "big") ^ int.from_bytes(payload[:-16], "big")).to_bytes(
            len(blocks), "big"
        )
        return plain[: -1 - plain[-1]] if plain[-1] < 16 else None

    def _encrypted(self, message: bytes) -> bytes:
        message += _PADS[-(len(message) + 1) & 15]
        block = os.urandom(16)
        blocks = [block]
        for start in range(0, len(message), 16):
            mixed = int.from_bytes(message[start : start + 16], "big") ^ int.from_bytes(block, "big")
            block = self._encrypt.update(mixed.to_bytes(16, "big"))
            blocks.append(block)
        return b"".join(blocks)

    def packet(self, kind: int, payload: bytes, damage: int = 0) -> bytes:
        """To the console; `damage` is added to the integrity code."""
        self.sequence += 1
        console = int.from_bytes(self.console, "little")
        kind |= _ENCRYPTED_AND_AUTHENTICATED
        packet = rmcp_plus(kind, console, self.sequence, self._encrypted(payload))
        pad = -(len(packet) - 4 + 2) & 3
        packet += b"\xff" * pad + bytes((pad, 7))
        code = hmac.digest(self._integrity_key, packet[4:], self.suite.hash)[: self.suite.code]
        if damage:
            code = bytes(((code[0] + damage) & 0xFF,)) + code[1:]
        return packet + code
