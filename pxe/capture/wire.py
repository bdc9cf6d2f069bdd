"""A packet socket for DHCP and the beginnings of TFTP on one interface; it is not promiscuous.

What else comes by, images above all, costs the kernel a few compares.
"""

from __future__ import annotations

import ctypes
import socket
import struct

_ETH_P_ALL = 0x0003  # with ETH_P_IP the kernel would take the tag of a VLAN off and forget it
_SO_ATTACH_FILTER = 26
# packet(7). Frames of our own are told by dnsmasq's log.
_SOL_PACKET, _PACKET_AUXDATA, _PACKET_IGNORE_OUTGOING = 263, 8, 23
_AUXDATA = struct.Struct("IIIHHHH")  # struct tpacket_auxdata
_TAGGED = 1 << 4  # TP_STATUS_VLAN_VALID
_LONGEST = 65536

# fmt: off
# tcpdump -y EN10MB -dd 'DHCP or TFTP or (vlan and (DHCP))', where DHCP is
#   (ip and udp and (dst port 67 or 68 or 4011)) or (ip6 and udp dst port 547)
# and TFTP: requests, the acknowledgements of the first blocks, from whatever port, and errors
#   (ip and udp and (dst port 69 or (udp[8:2] = 4 and udp[4:2] = 12 and udp[10:2] <= 8)
#                                or (udp[8:2] = 5 and udp[4:2] < 256)))
_FILTER = (
    (0x28, 0, 0, 0xc), (0x15, 0, 19, 0x800), (0x30, 0, 0, 0x17), (0x15, 0, 42, 0x11),
    (0x28, 0, 0, 0x14), (0x45, 40, 0, 0x1fff), (0xb1, 0, 0, 0xe), (0x48, 0, 0, 0x10),
    (0x15, 36, 0, 0x43), (0x15, 35, 0, 0x44), (0x15, 34, 0, 0xfab), (0x15, 33, 0, 0x45),
    (0x48, 0, 0, 0x16), (0x15, 0, 4, 0x4), (0x48, 0, 0, 0x12), (0x15, 0, 30, 0xc),
    (0x48, 0, 0, 0x18), (0x25, 28, 27, 0x8), (0x15, 0, 27, 0x5), (0x48, 0, 0, 0x12),
    (0x35, 25, 24, 0x100), (0x15, 0, 4, 0x86dd), (0x30, 0, 0, 0x14), (0x15, 0, 22, 0x11),
    (0x28, 0, 0, 0x38), (0x15, 19, 20, 0x223), (0x15, 2, 0, 0x8100), (0x15, 1, 0, 0x88a8),
    (0x15, 0, 17, 0x9100), (0x28, 0, 0, 0x10), (0x15, 0, 9, 0x800), (0x30, 0, 0, 0x1b),
    (0x15, 0, 13, 0x11), (0x28, 0, 0, 0x18), (0x45, 11, 0, 0x1fff), (0xb1, 0, 0, 0x12),
    (0x48, 0, 0, 0x14), (0x15, 7, 0, 0x43), (0x15, 6, 0, 0x44), (0x15, 5, 6, 0xfab),
    (0x15, 0, 5, 0x86dd), (0x30, 0, 0, 0x18), (0x15, 0, 3, 0x11), (0x28, 0, 0, 0x3c),
    (0x15, 0, 1, 0x223), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0x0),
)
# fmt: on


def tap(interface: str) -> socket.socket:
    """A socket that hears what the filter lets through on `interface`, in the caller's network namespace.

    Raises OSError.
    """
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: nothing comes before it is bound
    try:
        _attach(wire)
        wire.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        wire.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        wire.bind((interface, _ETH_P_ALL))
        wire.setblocking(False)
    except OSError:
        wire.close()
        raise
    return wire


def receive(wire: socket.socket) -> tuple[bytes, int | None]:
    """One frame, and the VLAN of the tag that the kernel took off it; raises OSError."""
    frame, beside, _, _ = wire.recvmsg(_LONGEST, socket.CMSG_SPACE(_AUXDATA.size))
    for level, kind, value in beside:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and len(value) >= _AUXDATA.size:
            status, _, _, _, _, tag, _ = _AUXDATA.unpack_from(value)
            if status & _TAGGED:
                return frame, tag & 0x0FFF or None
    return frame, None


def _attach(wire: socket.socket) -> None:
    """struct sock_fprog: how many instructions, and where they are."""
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _FILTER)
    kept = ctypes.create_string_buffer(program)
    where = struct.pack("HxxxxxxP", len(_FILTER), ctypes.addressof(kept))
    wire.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)
