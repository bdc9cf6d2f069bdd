"""Whatever a client sends, a simulated BMC answers or stays silent; it does not break."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from vmlab.simulator import Settings
from vmlab.simulator.fleet import Fleet
from vmlab.simulator.ipmi.commands import COMMANDS, Asked, answer
from vmlab.simulator.ipmi.server import IPMI
from vmlab.simulator.ipmi.session import SUITES, Session
from vmlab.simulator.redfish.service import Service

FLEET = Fleet(Settings())
MACHINE = FLEET.named("127.64.0.1")
HEADS = [
    bytes.fromhex(head) for head in ("0600ff06", "0600ff0700", "0600ff0706", "0600ff070610", "0600ff070612")
]
PATHS = [
    "/Systems/1",
    "/Systems/1/Bios/Settings",
    "/Systems/1/Actions/ComputerSystem.Reset",
    "/SessionService/Sessions",
    "/Systems/1/Storage/1/Volumes",
]
ACTIONS = ["/Systems/1/VirtualMedia/CD1/Actions/VirtualMedia.InsertMedia", "/AccountService/Accounts/1"]
UPDATE = "/UpdateService/Actions/UpdateService.SimpleUpdate"
NAMES = [
    "Boot",
    "Attributes",
    "ResetType",
    "Image",
    "ImageURI",
    "Targets",
    "Password",
    "UserName",
    "IndicatorLED",
    "RAIDType",
    "Links",
    "CapacityBytes",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), inside),
    max_leaves=4,
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(HEADS), st.binary(max_size=80))
def test_any_packet(head: bytes, rest: bytes) -> None:
    reply = IPMI(FLEET).handle(head + rest, MACHINE, ("127.0.0.1", 1))
    assert reply is None or reply[:1] == b"\x06"


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=25))
def test_any_command(key: int, data: bytes) -> None:
    session = Session(MACHINE, SUITES[1, 1, 1], 1, b"abcd", None)
    session.privilege = 4
    assert answer(key, Asked(MACHINE, session, data, FLEET, lambda _: None))


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([*PATHS, *ACTIONS, UPDATE]),
    st.sampled_from(["POST", "PATCH", "DELETE", "GET"]),
    st.dictionaries(st.sampled_from(NAMES), VALUES),
)
def test_any_document(path: str, method: str, body: dict[str, object]) -> None:
    fleet = Fleet(Settings())
    headers = {"authorization": "Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="}  # admin:correct horse
    service = Service(fleet, fleet.personalities()[0])
    reply = service.handle(
        fleet.named("127.64.0.1"), method, f"/redfish/v1{path}", headers, json.dumps(body).encode()
    )
    assert 200 <= reply.status < 500
