"""The two questions that every IPMI BMC answers to strangers (ASF 2.0; IPMI 2.0 section 22.13), as bytes.

Two, since either is missed by somebody: virtualbmc 3.3.0 ignores the presence ping, and some BMCs with strict
ciphers ignore Get Channel Authentication Capabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwdrivers.iana import vendor_of

# RMCP version 6, sequence FFh (no acknowledge), class 6 (ASF); IANA 4542 (ASF), type 80h Presence Ping.
PRESENCE_PING = bytes.fromhex("0600ff06 000011be 80000000")
# RMCP class 7 (IPMI), no session; command 38h: this channel, with IPMI 2.0 data, as administrator.
GET_CHANNEL_AUTH = bytes.fromhex("0600ff07 00 00000000 00000000 09 2018c8 8100388e04b5")

_ASF_IANA = 4542


@dataclass(frozen=True)
class Answer:
    """What a BMC told a stranger. `version`: the highest IPMI version, None when it did not say."""

    vendor: str | None = None
    version: str | None = None


def read_answer(packet: bytes) -> Answer | None:
    """None: not an answer to our questions, so whoever sent it is no BMC."""
    if packet[:1] != b"\x06" or len(packet) < 4:
        return None
    return _read_pong(packet) if packet[3] == 6 else _read_channel_auth(packet) if packet[3] == 7 else None


def _read_pong(packet: bytes) -> Answer | None:
    # Type 40h Presence Pong with 16 bytes of data; bit 7 of the supported entities: IPMI.
    if (
        len(packet) < 28
        or packet[4:9] != b"\x00\x00\x11\xbe\x40"
        or packet[11] != 16
        or not packet[20] & 0x80
    ):
        return None
    maker = int.from_bytes(packet[12:16], "big")
    return Answer(vendor=None if maker == _ASF_IANA else vendor_of(maker))


def _read_channel_auth(packet: bytes) -> Answer | None:
    message = packet[14 : 14 + packet[13]] if len(packet) > 13 else b""
    # To the remote console (81h), response network function 7, command 38h; two checksums close its parts.
    if len(message) < 8 or message[0] != 0x81 or message[1] >> 2 != 7 or message[5] != 0x38:
        return None
    if sum(message[:3]) & 0xFF or sum(message[3:]) & 0xFF:
        return None
    if message[6] != 0:
        return Answer()  # it refuses to tell, in IPMI
    if len(message) < 16:
        return None
    data = message[7:-1]
    # Bit 7 of the authentication types says that the extended capabilities count; bit 1 of these: IPMI 2.0.
    version = "2.0" if data[1] & 0x80 and data[3] & 0x02 else "1.5"
    return Answer(vendor=vendor_of(int.from_bytes(data[4:7], "little")), version=version)
