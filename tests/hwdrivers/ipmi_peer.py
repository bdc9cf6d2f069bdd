"""A BMC on 127.0.0.1 made of pyghmi's own server, in a process of its own; it remembers what was done to it.

Prints its port, then answers every line on standard input with its state as JSON; ends with standard input.
`argv`: a JSON object {password, identity: bool, faults: [names],
codes: {"netfn.command": completion code}, answers: {"netfn.command" or
"netfn.command:hex of what is asked": data}}.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid

from pyghmi.ipmi import bmc
from pyghmi.ipmi.private import serversession, session

WISHES = json.loads(sys.argv[1])
LOGINS: list[str] = []


class CountingSession(serversession.ServerSession):
    def _got_rakp1(self, data):
        LOGINS.append(bytes(data[28:]).decode())
        if "full" in WISHES["faults"]:  # RMCP+ status 1: no free session
            answer = bytearray([data[0], 1, 0, 0]) + self.clientsessionid
            return self.send_payload(answer, 0x13, retry=False)
        return super()._got_rakp1(data)


serversession.ServerSession = CountingSession


class Peer(bmc.Bmc):
    power = "off"
    boot = "default"
    boot_flags = 0

    def __init__(self):
        super().__init__({"admin": WISHES["password"]}, port=0, address="127.0.0.1")
        self.port = self.serversocket.getsockname()[1]
        self.done: list[str] = []
        if WISHES["identity"]:
            self.mfgid, self.firmwaremajor, self.firmwareminor = 674, 7, 0x61

    def state(self):
        return {
            "power": self.power,
            "boot": self.boot,
            "boot_flags": self.boot_flags,
            "done": self.done,
            "logins": LOGINS,
        }

    def get_power_state(self):
        return self.power

    def _become(self, power, what):
        self.done.append(what)
        if "power stays" not in WISHES["faults"]:
            self.power = power

    def power_on(self):
        self._become("on", "on")

    def power_off(self):
        self._become("off", "off")

    def power_shutdown(self):
        self._become("off", "soft off")

    def power_reset(self):
        self._become(self.power, "reset")

    def set_boot_device(self, bootdevice):
        self.boot = bootdevice

    def set_system_boot_options(self, request, session):
        if request["data"][0] == 5:
            self.boot_flags = request["data"][1]
        return super().set_system_boot_options(request, session)

    def get_system_guid(self):
        if not WISHES["identity"]:
            raise NotImplementedError
        return uuid.UUID("4c4c4544-0042-3510-8052-b4c04f4d4c32")

    def handle_raw_request(self, request, session):
        if "deaf" in WISHES["faults"] and request["netfn"] == 0:
            return None
        code = WISHES["codes"].get(f"{request['netfn']}.{request['command']}")
        if code is not None:
            return session.send_ipmi_response(code=code)
        asked = f"{request['netfn']}.{request['command']}"
        answer = WISHES["answers"].get(
            f"{asked}:{bytes(request['data']).hex()}", WISHES["answers"].get(asked)
        )
        if answer is not None:
            return session.send_ipmi_response(data=answer)
        return super().handle_raw_request(request, session)


def answer_questions(peer):
    for _line in sys.stdin:
        print(json.dumps(peer.state()), flush=True)
    os._exit(0)


peer = Peer()
print(peer.port, flush=True)
threading.Thread(target=answer_questions, args=(peer,), daemon=True).start()
while True:
    session.Session.wait_for_rsp(30)
