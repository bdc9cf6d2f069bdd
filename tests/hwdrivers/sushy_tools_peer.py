"""A Redfish service on 127.0.0.1: sushy-tools with its fake driver, in a process of its own.

Prints its port, then answers every line on standard input with its state as JSON; ends with standard input.
`argv`: a JSON object {password, systems: int, tls: [certificate, key] or null, faults: [names]}.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import sys
import tempfile
import threading
from pathlib import Path

import bcrypt
from sushy_tools.emulator import main
from sushy_tools.emulator.resources.systems import fakedriver
from werkzeug.serving import WSGIRequestHandler, make_server

WISHES = json.loads(sys.argv[1])
LOGINS: list[str] = []
DONE: list[str] = []
REQUESTS: list[str] = []
FOLDER = Path(tempfile.mkdtemp(dir=WISHES["folder"]))
AUTH = FOLDER / "htpasswd"
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")

FACTORY = {"ProcTurboMode": "Enabled", "BootMode": "Uefi", "NicBoot1": "NetworkBoot"}
BIOS = dict(FACTORY)

# Its power changes take 1 to 11 s at random; this one's take none.
fakedriver.random.randint = lambda low, high: 0


class Driver(fakedriver.FakeDriver):
    def set_power_state(self, identity, state):
        DONE.append(state)
        if "power stays" not in WISHES["faults"]:
            super().set_power_state(identity, state)
            self._get(identity)

    # The fake driver has no BIOS of its own; what is set counts from the next reset, as on real machines.
    def get_bios(self, identity):
        return BIOS

    def set_bios(self, identity, attributes):
        BIOS.update(attributes)

    def reset_bios(self, identity):
        BIOS.update(FACTORY)


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


def system(number):
    uuid = f"00000000-0000-4000-8000-{number:012d}"
    nics = [{"mac": mac.upper(), "ip": "192.0.2.9"} for mac in MACS]
    return {"uuid": uuid, "name": f"node{number}", "power_state": "Off", "nics": nics}


def set_password(password):
    AUTH.write_text("admin:" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode() + "\n")


def configured(folder):
    set_password(WISHES["password"])
    fakedriver.FakeDriver = Driver
    main.app.configure(
        extra_config={
            "SUSHY_EMULATOR_AUTH_FILE": str(AUTH),
            "SUSHY_EMULATOR_FAKE_DRIVER": True,
            "SUSHY_EMULATOR_FAKE_SYSTEMS": [system(n + 1) for n in range(WISHES["systems"])],
            "SUSHY_EMULATOR_STATE_DIR": str(folder),
        }
    )


def counting(app):
    """Write down whose password came with which request, and whether it was right."""

    def call(env, start_response):
        token = env.get("HTTP_AUTHORIZATION", "").partition(" ")[2]
        REQUESTS.append(env["PATH_INFO"])
        if "new password" in WISHES["faults"] and len(REQUESTS) == 4:
            set_password(WISHES["password"] + " new")

        def answer(status, headers, info=None):
            if token and status.startswith("401"):
                LOGINS.append(base64.b64decode(token).decode().partition(":")[0])
            return start_response(status, headers, info)

        return app(env, answer)

    return call


def state():
    first = main.app.systems._get(system(1)["uuid"])
    return {
        "power": first["power_state"].lower(),
        "boot": first.get("boot_device", "default"),
        "done": DONE,
        "bios": BIOS,
        "secure boot": first.get("secure_boot", False),
        "media": first.get("boot_image"),
        "led": main.app.indicators.get_indicator_state(first["uuid"]),
        "refused": LOGINS,
    }


def answer_questions():
    for _line in sys.stdin:
        print(json.dumps(state()), flush=True)
    os._exit(0)


configured(FOLDER)
context = None
if WISHES["tls"]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*WISHES["tls"])
server = make_server(
    "127.0.0.1", 0, counting(main.app), threaded=True, request_handler=Quiet, ssl_context=context
)
print(server.port, flush=True)
threading.Thread(target=answer_questions, daemon=True).start()
server.serve_forever()
