"""A BMC on 127.0.0.1 made of virtualbmc's own class and libvirt's test driver, in a process of its own.

Prints its port, then answers every line on standard input with its state as JSON; ends with standard input.
`argv`: a JSON object {password, faults: [names]}. libvirt's `test:///default` keeps a domain in memory.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import xml.etree.ElementTree as ET

import libvirt
from pyghmi.ipmi.private import serversession, session
from virtualbmc.vbmc import VirtualBMC

WISHES = json.loads(sys.argv[1])
URI = "test:///default"
LOGINS: list[str] = []


class CountingSession(serversession.ServerSession):
    def _got_rakp1(self, data):
        LOGINS.append(bytes(data[28:]).decode())
        return super()._got_rakp1(data)


serversession.ServerSession = CountingSession
libvirt.registerErrorHandler(lambda *_: None, None)
connection = libvirt.open(URI)  # kept: the domain is forgotten with the last connection
domain = connection.lookupByName("test")
domain.destroy()


def answer_questions():
    for _line in sys.stdin:
        boot = ET.fromstring(domain.XMLDesc()).find(".//os/boot")
        state = {
            "power": "on" if domain.isActive() else "off",
            "boot": None if boot is None else boot.get("dev"),
            "logins": LOGINS,
        }
        print(json.dumps(state), flush=True)
    os._exit(0)


class Peer(VirtualBMC):
    def power_on(self):
        return None if "power stays" in WISHES["faults"] else super().power_on()


bmc = Peer("admin", WISHES["password"], 0, "127.0.0.1", "test", URI)
bmc.port = bmc.serversocket.getsockname()[1]
print(bmc.port, flush=True)
threading.Thread(target=answer_questions, daemon=True).start()
while True:
    session.Session.wait_for_rsp(30)
