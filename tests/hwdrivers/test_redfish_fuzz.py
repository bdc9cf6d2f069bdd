"""Recorded trees with values of other types, or without them: the driver answers, or raises BMCError."""

from __future__ import annotations

import contextlib
import copy
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import endpoint

from hwdrivers.bmc import BootDevice, BootMode, PowerAction
from hwdrivers.credentials import Secret
from hwdrivers.errors import BMCError
from hwdrivers.interfaces import Interface, RAIDVolume
from hwdrivers.redfish.driver import Redfish

DATA = Path(__file__).parent.parent / "data" / "hwdrivers"
TREES = {
    name: {k: v for k, v in json.loads((DATA / f"{name}.json").read_text()).items() if k.startswith("/")}
    for name in ("supermicro-x10", "dmtf-rackmount1", "dell-r820")
}
RUBBISH = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["/redfish/v1", "/redfish/v1/Systems", "//x", "http://192.0.2.9/", "None", "\ud800"])
    | st.recursive(st.none() | st.integers(), lambda inner: st.lists(inner, max_size=2), max_leaves=3)
    | st.dictionaries(st.sampled_from(["@odata.id", "Id", "Health"]), st.integers() | st.text(max_size=3))
)


class Service:
    """Serves `tree`, says yes to everything, and answers with the odd status code."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                document = outer.tree.get(self.path.partition("?")[0].rstrip("/"))
                self.send(404 if document is None else 200, document)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sessions = self.path.endswith("Sessions")
                self.send(201 if sessions else outer.status, outer.tree.get("/answer"))

            do_PATCH = do_DELETE = do_POST

            def send(self, status: int, document: object) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("X-Auth-Token", "token")
                self.send_header("Location", "/redfish/v1/Sessions/1")
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"redfish+http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Service]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        yield self
        self._server.shutdown()
        thread.join()
        self._server.server_close()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service().running() as service:
        yield service


def _places(value: object, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(below for key, item in items for below in _places(item, (*place, key)))]


PLACES = {
    name: [(path, *place) for path, document in tree.items() for place in _places(document)]
    for name, tree in TREES.items()
}


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(TREES)))
    tree = copy.deepcopy(TREES[name])
    for place in draw(st.lists(st.sampled_from(PLACES[name]), min_size=3, max_size=40)):
        parent: Any = tree
        with contextlib.suppress(LookupError, TypeError):  # it was taken away before
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]]
            if draw(st.booleans()):
                parent[place[-1]] = draw(RUBBISH)
            else:
                del parent[place[-1]]
    tree["/answer"] = draw(RUBBISH)
    return tree


def _deeds(bmc: Redfish) -> list[Callable[[], object]]:
    """Everything that a driver can be asked."""
    return [
        bmc.identify,
        bmc.power_state,
        bmc.macs,
        bmc.boot_mode,
        bmc.boot_device,
        bmc.sensors.read,
        bmc.event_log.entries,
        bmc.event_log.clear,
        bmc.led.lit,
        bmc.media.slots,
        bmc.media.detach,
        bmc.bios.settings,
        bmc.bios.reset,
        bmc.secure_boot.enabled,
        bmc.raid.controllers,
        bmc.firmware.components,
        bmc.accounts.all,
        lambda: bmc.request_power(PowerAction.RESET),
        lambda: bmc.set_boot_device(BootDevice.DISK),
        lambda: bmc.set_boot_device(BootDevice.CDROM, BootMode.UEFI),
        lambda: bmc.led.set(True),
        lambda: bmc.media.attach("http://192.0.2.1/x.iso"),
        lambda: bmc.bios.apply({"BootMode": "Uefi"}),
        lambda: bmc.secure_boot.set(True),
        lambda: bmc.raid.create("RAID.Slot.7-1", RAIDVolume("x", "0", disks=("Disk.Bay.0",))),
        lambda: bmc.raid.delete("RAID.Slot.7-1", "Disk.Virtual.0:RAID.Slot.7-1"),
        lambda: bmc.firmware.update("http://192.0.2.1/x.bin", ["BIOS"]),
        lambda: bmc.firmware.progress("/redfish/v1/Systems"),
        lambda: bmc.accounts.set_password("ADMIN", Secret("12345678")),
    ]


@settings(max_examples=20, print_blob=True)
@given(tree=damaged(), status=st.sampled_from([200, 202, 204, 400, 409, 500]))
def test_no_document_breaks_the_driver(service: Service, tree: dict[str, Any], status: int) -> None:
    service.tree, service.status = tree, status
    try:
        bmc = Redfish(endpoint(service.address), timeout=5)
    except BMCError:
        return
    for deed in _deeds(bmc):
        with contextlib.suppress(BMCError):
            deed()
    assert set(bmc.abilities()) == set(Interface)
    bmc.close()
