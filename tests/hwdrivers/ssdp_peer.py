"""Redfish services that announce themselves by SSDP, at the addresses in `argv`, until a line is read.

The first argument is the interface. Each service answers M-SEARCH and listens where it says that it does.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INTERFACE, *ADDRESSES = sys.argv[1:]
PORT = 8001
ASKED: list[str] = []
ROOT = b'{"@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot", "RedfishVersion": "1.6.0", "Vendor": "Acme"}'


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(ROOT)))
        self.end_headers()
        self.wfile.write(ROOT)


class Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def listener(version):
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    group = "239.255.255.250" if version == 4 else "ff02::c"
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    index = socket.if_nametoindex(INTERFACE)
    if version == 4:
        sock.bind((group, 1900))
        member = socket.inet_aton(group) + struct.pack("@4si", bytes(4), index)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    else:
        sock.bind((group, 1900, 0, index))
        member = socket.inet_pton(family, group) + struct.pack("@I", index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    return sock


def announce(address, version):
    host = f"[{address}]" if version == 6 else address
    lines = [
        "HTTP/1.1 200 OK",
        "CACHE-CONTROL: max-age=1800",
        "ST: urn:dmtf-org:service:redfish-rest:1:6",
        f"AL: <http://{host}:{PORT}/redfish/v1/>",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def answer(version):
    sock = listener(version)
    mine = [a for a in ADDRESSES if ipaddress.ip_address(a).version == version]
    while True:
        packet, asker = sock.recvfrom(3000)
        ASKED.append(packet.decode())
        for address in mine:
            with socket.socket(sock.family, socket.SOCK_DGRAM) as reply:
                reply.bind((address, 0))
                reply.sendto(announce(address, version), asker)


for address in ADDRESSES:
    kind = Server6 if ":" in address else ThreadingHTTPServer
    threading.Thread(target=kind((address, PORT), Handler).serve_forever, daemon=True).start()
for version in (4, 6):
    threading.Thread(target=answer, args=(version,), daemon=True).start()
print("serves", flush=True)
sys.stdin.readline()
print(json.dumps(ASKED), flush=True)
os._exit(0)
