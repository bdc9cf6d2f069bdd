"""The rack's BMCs as the seed meets them: IPMI on 623/udp, Redfish on HTTPS, each for one machine only."""

from __future__ import annotations

import json

import pytest
from outside import Lab

pytestmark = pytest.mark.lab
PASSWORD = "lab-only"

# Get Channel Authentication Capabilities to each address; prints those that answer.
ASK_IPMI = """
import socket, sys
for address in sys.argv[1:]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10 if address.endswith((".2", ".3")) else 0.5)
        client.sendto(bytes.fromhex("0600ff0700000000000000000009" "2018c88100388e04b5"), (address, 623))
        try:
            print(client.recvfrom(1024)[1][0])
        except OSError:
            pass
"""
ASK_REDFISH = """
import base64, json, ssl, sys, urllib.error, urllib.request
path, password = sys.argv[1], sys.stdin.read()
request = urllib.request.Request("https://198.51.100.4" + path)
if password:
    request.add_header("Authorization", "Basic " + base64.b64encode(b"admin:" + password.encode()).decode())
try:
    with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as answer:
        print(json.dumps([answer.status, json.load(answer)]))
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, {}]))
"""


def redfish(lab: Lab, path: str, password: str = PASSWORD) -> tuple[int, dict]:
    script = f"printf %s '{password}' | python3 -c '{ASK_REDFISH}' {path}"
    done = lab.inside("sh", "-c", script)
    assert done.returncode == 0, done.stderr
    status, body = json.loads(done.stdout)
    return status, body


def test_ipmi_answers_where_it_should_and_nowhere_else(standing_rack: Lab) -> None:
    addresses = [f"198.51.100.{last}" for last in range(1, 6)]
    assert standing_rack.inside("python3", "-c", ASK_IPMI, *addresses).stdout.split() == addresses[1:3]


def test_redfish_shows_one_machine_and_wants_a_password(standing_rack: Lab) -> None:
    status, systems = redfish(standing_rack, "/redfish/v1/Systems")
    assert status == 200
    (member,) = systems["Members"]
    status, system = redfish(standing_rack, member["@odata.id"])
    assert (system["SerialNumber"], system["Name"], system["PowerState"]) == ("LAB00003", "node-3", "Off")
    assert len(redfish(standing_rack, "/redfish/v1/Managers")[1]["Members"]) == 1
    assert redfish(standing_rack, "/redfish/v1/", password="")[0] == 200
    assert redfish(standing_rack, "/redfish/v1/Systems", password="")[0] == 401
    assert redfish(standing_rack, "/redfish/v1/Systems", password="wrong")[0] == 401


def test_redfish_does_not_reach_the_neighbours(standing_rack: Lab) -> None:
    # 500 rather than 404: sushy-tools stumbles while it refuses.
    assert redfish(standing_rack, "/redfish/v1/Systems/node-1")[0] in (404, 500)


def test_no_password_in_any_command_line_or_log(standing_rack: Lab) -> None:
    argv = "\n".join(standing_rack.command_lines())
    assert "virtualbmc" in argv
    assert PASSWORD not in argv
    for log in (standing_rack.rack / "log").iterdir():
        assert PASSWORD not in log.read_text(errors="replace")


def test_whoever_holds_the_cord_holds_the_power(standing_rack: Lab) -> None:
    try:
        assert standing_rack("power", "node-3", "on").returncode == 0
        assert standing_rack.power()["node-3"] == "on"
        (member,) = redfish(standing_rack, "/redfish/v1/Systems")[1]["Members"]
        assert redfish(standing_rack, member["@odata.id"])[1]["PowerState"] == "On"
    finally:
        assert standing_rack("cut-power", "node-3").returncode == 0
    assert standing_rack.power()["node-3"] == "off"
    assert standing_rack("console", "node-3").returncode == 0
