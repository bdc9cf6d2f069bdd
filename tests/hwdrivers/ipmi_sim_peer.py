"""A BMC on 127.0.0.1: OpenIPMI's ipmi_sim (C) behind a relay that counts log-ins, in a process of its own.

Prints its port, then answers every line on standard input with its state as JSON; ends with standard input.
`argv`: a JSON object {password, folder, serial: port of a TCP server that plays the serial port, or null,
lose: each so manieth packet of a console, 0: none, faults: [names]}.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
from pathlib import Path

import ipmi_records as records

WISHES = json.loads(sys.argv[1])
FOLDER = Path(WISHES["folder"])
LOGINS: list[str] = []

LAN = """\
name "sim"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid 44454c4c420010358052b4c04f4d4c32
    lan_config_program "{folder}/lan"
  endlan
  chassis_control "{folder}/chassis"
  {sol}
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "admin" "{password}" admin 10 none md2 md5 straight
  user 3 true "viewer" "look" user 10 none md2 md5 straight
"""

# ipmi_sim asks these programs: `get NAME...` prints "NAME:value", `set NAME VALUE...` remembers.
CHASSIS = """\
#!/bin/sh
cd "$(dirname "$0")" || exit 1
case $1 in
get) shift; for name; do echo "$name:$(cat "state.$name")"; done ;;
set) echo "$2" > "state.$2.asked"; case $2 in
    power) [ -e power-stays ] || echo "$3" > state.power ;;
    shutdown) echo 0 > state.power ;;
    identify) echo "$3" > state.identify ;;
    *) echo "$3" > "state.$2" ;;
    esac ;;
esac
"""
LANPARM = """\
#!/bin/sh
[ "$1" = get ] || exit 0
shift
for name; do case $name in
    ip_addr) echo "ip_addr:192.0.2.7" ;;
    ip_addr_src) echo "ip_addr_src:static" ;;
    mac_addr) echo "mac_addr:52:54:00:ab:cd:ef" ;;
    subnet_mask) echo "subnet_mask:255.255.255.0" ;;
    default_gw_ip_addr) echo "default_gw_ip_addr:192.0.2.1" ;;
    *) echo "$name:00:00:00:00:00:00" ;;
esac; done
"""


def words(raw: bytes) -> str:
    return " ".join(f"0x{byte:02x}" for byte in raw)


def commands() -> str:
    lines = ["mc_setbmc 0x20", "mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x0002a2 0xf02"]
    lines += ["sel_enable 0x20 100 0x0a"]
    for record, kind, value in records.SENSORS:
        lines.append(f"main_sdr_add 0x20 {words(record)}")
        if kind:
            number = record[7]
            lines.append(f"sensor_add 0x20 0 {number} {kind}")
            scanned = "no-scanning" if value is None and kind.endswith("0x01") else "scanning"
            masks = " 000000000000000" * 4
            lines.append(f"sensor_set_event_support 0x20 0 {number} enable {scanned} per-state{masks}")
            if kind.endswith("0x01"):
                lines.append(f"sensor_set_threshold 0x20 0 {number} settable 000000 0 0 0 0 0 0")
            if value is not None:
                lines.append(f"sensor_set_value 0x20 0 {number} {value} 0")
    lines.append("sensor_set_bit 0x20 0 5 0 1 0")
    for device, data in records.FRUS.items():
        lines.append(f"mc_add_fru_data 0x20 {device} {len(data)} data {words(data)}")
    # ipmi_sim writes its own time into them: seconds since the machine started.
    lines.append("sel_add 0x20 0x02 0x00 0xf1 0x53 0x65 0x20 0x00 0x04 0x01 0x01 0x01 0x59 0x60 0x5f")
    lines.append("sel_add 0x20 0x02 0x09 0x00 0x00 0x00 0x20 0x00 0x04 0x08 0x05 0x6f 0x01 0xff 0xff")
    lines.append("mc_enable 0x20")
    return "\n".join(lines) + "\n"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started() -> tuple[subprocess.Popen, int]:
    port = free_port()
    sol = f'sol "tcp:127.0.0.1:{WISHES["serial"]}" 115200' if WISHES["serial"] else ""
    (FOLDER / "state").mkdir()
    config = LAN.format(port=port, folder=FOLDER, password=WISHES["password"], sol=sol)
    (FOLDER / "lan.conf").write_text(config)
    (FOLDER / "sim.emu").write_text(commands())
    for name, text in (("chassis", CHASSIS), ("lan", LANPARM)):
        (FOLDER / name).write_text(text)
        (FOLDER / name).chmod(0o755)
    for name, value in (("power", "0"), ("boot", "none"), ("reset", "0"), ("identify", "0 0")):
        (FOLDER / f"state.{name}").write_text(value)
    for fault in WISHES["faults"]:
        (FOLDER / fault.replace(" ", "-")).touch()
    log = (FOLDER / "log").open("w")
    # It ends with this process, however that ends.
    command = ["setpriv", "--pdeathsig", "KILL", "ipmi_sim", "-n"]
    command += ["-c", f"{FOLDER}/lan.conf", "-f", f"{FOLDER}/sim.emu", "-s", f"{FOLDER}/state"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log), port


def told(name: str) -> str:
    return (FOLDER / f"state.{name}").read_text().strip()


def answer_questions(simulator: subprocess.Popen) -> None:
    for _line in sys.stdin:
        state = {
            "power": "on" if told("power") == "1" else "off",
            "boot": told("boot"),
            "identify": told("identify"),
            "logins": LOGINS,
        }
        print(json.dumps(state), flush=True)
    simulator.kill()
    os._exit(0)


class Relay:
    """Passes datagrams between clients and ipmi_sim, and writes down who tries to log in."""

    def __init__(self, port: int) -> None:
        self.target = ("127.0.0.1", port)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.front, selectors.EVENT_READ, None)
        self.backs: dict[object, socket.socket] = {}
        self.console_packets = 0

    def run(self) -> None:
        while True:
            for key, _ in self.selector.select():
                with contextlib.suppress(OSError):
                    self._to_client(key.fileobj, key.data) if key.data else self._to_simulator()

    def _to_simulator(self) -> None:
        packet, client = self.front.recvfrom(3000)
        if len(packet) > 44 and packet[4] == 6 and packet[5] & 0x3F == 0x12:  # RAKP message 1
            LOGINS.append(packet[44 : 44 + packet[43]].decode())
        if self._lost(packet):
            return
        if client not in self.backs:
            back = self.backs[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            back.connect(self.target)
            self.selector.register(back, selectors.EVENT_READ, client)
        self.backs[client].send(packet)

    def _to_client(self, back: socket.socket, client: object) -> None:
        packet = back.recv(3000)
        if not self._lost(packet):
            self.front.sendto(packet, client)

    def _lost(self, packet: bytes) -> bool:
        if not WISHES["lose"] or packet[4:5] != b"\x06" or packet[5] & 0x3F != 1:  # payload type SOL
            return False
        self.console_packets += 1
        return self.console_packets % WISHES["lose"] == 0


def wait_for(port: int) -> None:
    """Until it answers Get Channel Authentication Capabilities."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("127.0.0.1", port))
        probe.settimeout(0.05)
        while True:
            with contextlib.suppress(OSError):
                probe.send(bytes.fromhex("0600ff07000000000000000000092018c88100388e04b5"))
                if probe.recv(3000):
                    return


simulator, port = started()
wait_for(port)
relay = Relay(port)
print(relay.front.getsockname()[1], flush=True)
threading.Thread(target=answer_questions, args=(simulator,), daemon=True).start()
relay.run()
