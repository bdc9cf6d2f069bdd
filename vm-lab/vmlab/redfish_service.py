"""The process behind one Redfish BMC: sushy-tools' emulator, narrowed to one machine.

Run as `python -m vmlab.redfish_service SETTINGS.json`, where sushy-tools and libvirt-python are installed.
"""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path
from typing import Any

from flask import Response, request
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems.libvirtdriver import LibvirtDriver


def serve(settings: dict[str, Any], identity: dict[str, str]) -> None:
    """Answers until it is ended."""
    app = emulator.app
    app.configure(extra_config=settings)
    _narrow(settings["SUSHY_EMULATOR_ALLOWED_INSTANCES"])
    app.after_request(lambda response: _with_identity(response, identity))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(settings["SUSHY_EMULATOR_SSL_CERT"], settings["SUSHY_EMULATOR_SSL_KEY"])
    host, port = settings["SUSHY_EMULATOR_LISTEN_IP"], settings["SUSHY_EMULATOR_LISTEN_PORT"]
    app.run(host=host, port=port, ssl_context=tls)


def _narrow(allowed: list[str]) -> None:
    """sushy-tools filters its list of systems, but its managers and chassis still name every machine."""
    LibvirtDriver.systems = property(lambda _: allowed)


def _with_identity(response: Response, identity: dict[str, str]) -> Response:
    """sushy-tools gives a system no serial number and no model; real BMCs do."""
    parts = request.path.strip("/").split("/")
    if (
        request.method == "GET"
        and response.status_code == 200
        and parts[2:3] == ["Systems"]
        and len(parts) == 4
    ):
        response.set_data(json.dumps({**json.loads(response.get_data()), **identity}))
    return response


if __name__ == "__main__":
    serve(**json.loads(Path(sys.argv[1]).read_text()))
