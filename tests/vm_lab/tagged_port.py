"""A bridge's port in a VLAN, for kernels without VLANs: `tagged_port.py BRIDGE VLAN NAME ADDRESS/LENGTH`.

Frames that come to the bridge tagged (IEEE 802.1Q) leave the TAP device NAME untagged, and the other way
round. Run it in the bridge's network namespace; it ends when it is killed, and NAME with it.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
from pathlib import Path

# linux/if_ether.h, linux/if_packet.h, linux/if_tun.h
ETH_P_ALL, ETH_P_8021Q = 0x0003, 0x8100
SOL_PACKET, PACKET_AUXDATA, PACKET_VNET_HDR = 263, 8, 15
TP_STATUS_VLAN_VALID = 1 << 4
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 0x0002, 0x1000, 0x4000
AUXDATA = struct.Struct("IIIHHHH")  # struct tpacket_auxdata
# struct virtio_net_hdr goes with each frame: a machine leaves checksums to whoever puts frames on a wire.
VNET, MACS = 10, 12
LARGEST = 70_000


def tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return device


def wire(bridge: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    for option in (PACKET_AUXDATA, PACKET_VNET_HDR):
        raw.setsockopt(SOL_PACKET, option, 1)
    raw.bind((bridge, 0))
    return raw


def tagged(raw: socket.socket, vlan: int) -> bytes | None:
    """The next frame of this VLAN, without its tag, which the kernel has put aside."""
    frame, more, _, source = raw.recvmsg(LARGEST, socket.CMSG_SPACE(AUXDATA.size))
    if source[2] == socket.PACKET_OUTGOING:  # type: ignore[attr-defined]
        return None
    for level, kind, data in more:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tci, _ = AUXDATA.unpack(data)
            return frame if status & TP_STATUS_VLAN_VALID and tci & 0xFFF == vlan else None
    return None


def main(bridge: str, vlan: int, name: str, address: str) -> None:
    device, raw = tap(name), wire(bridge)
    mac = Path(f"/sys/class/net/{bridge}/address").read_text().strip()  # a bridge takes no other's frames
    for words in (f"link set {name} address {mac} up", f"address add {address} dev {name}"):
        subprocess.run(["ip", *words.split()], check=True)
    tag = struct.pack("!HH", ETH_P_8021Q, vlan)
    while True:
        for ready in select.select([device, raw], [], [])[0]:
            if ready is raw:
                if frame := tagged(raw, vlan):
                    os.write(device, frame)
            else:
                frame = os.read(device, LARGEST)
                raw.send(frame[: VNET + MACS] + tag + frame[VNET + MACS :])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
