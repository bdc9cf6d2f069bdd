"""`undercloud bmc show`: any address, no seed, no enrolment."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from live_seed import LiveSeed, fake, serving
from typer.testing import CliRunner, Result

from bootstrap.cli import app
from hwdrivers.fake import Fault

sys.path.append(str(Path(__file__).parents[1] / "hwdrivers"))
from documents import CHASSIS, ROOT, SYSTEM, collection, link, links, service
from peers import PASSWORD, ipmi_peer, tree_peer

DATA = Path(__file__).parents[1] / "data" / "hwdrivers"
CONFIG = """\
provisioning:
  interface: prov0
  address: 192.0.2.1/24
  dhcp_range: [192.0.2.192, 192.0.2.254]
state_dir: {0}/state
images_dir: {0}/images
socket: {0}/seed.sock
"""


@contextmanager
def static(tree: Mapping[str, Any]) -> Iterator[str]:
    """Serve documents to anybody, GET only, as DMTF's mockup server and sushy-static do."""
    documents = {path.rstrip("/"): document for path, document in tree.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = documents.get(self.path.rstrip("/"))
            self.send_response(404 if document is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(document or {}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"redfish+http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def recorded(name: str) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return tree


def run(*words: str, config: str = "/nowhere/undercloud.yaml", stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["--config", config, "bmc", "show", *words], input=stdin)


def shown(*words: str, **more: Any) -> dict[str, Any]:
    done = run(*words, "-o", "json", **more)
    assert done.exit_code == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("options", [(), ("--no-auth",)])
def test_a_service_that_asks_for_no_log_in_is_shown_whole_without_a_seed(options: tuple[str, ...]) -> None:
    with static(recorded("dell-r820")) as address:
        document = shown(address, *options)
    assert document["address"] == address
    assert document["identity"]["serial"] == "G2XBKY1"
    assert document["power"] == "power on"
    assert document["inventory"]["memory_mib"] == 524288
    assert document["abilities"]["power"]["supported"] is True
    assert [system["inventory"] for system in document["systems"]] == [document["inventory"]]
    assert [manager["firmware"] for manager in document["managers"]] == ["2.65.65.65"]


def test_the_table_has_every_part_in_words_of_the_field() -> None:
    with static(recorded("dmtf-rackmount1")) as address:
        done = run(address)
    assert done.exit_code == 0, done.stderr
    for words in (
        "Contoso",
        "96 GiB",
        "16 threads",
        "Stratix 10",
        "800 W",
        "1 Gbit/s",
        "RackMount",
        "power on",
    ):
        assert words in done.stdout


def _two_systems() -> dict[str, Any]:
    systems = {
        name: {"Model": model, "PowerState": "On", "Links": {"Chassis": links(CHASSIS)}}
        for name, model in (("1", "Node A"), ("2", "Node B"))
    }
    return service(collection(f"{ROOT}/Systems", systems))


def test_several_systems_behind_one_bmc_are_all_shown() -> None:
    with static(_two_systems()) as address:
        document = shown(address)
        one = shown(f"{address}{ROOT}/Systems/2")
        none = run(f"{address}{ROOT}/Systems/9")
        table = run(address).stdout
    assert [s["address"] for s in document["systems"]] == [f"{address}{ROOT}/Systems/{n}" for n in (1, 2)]
    assert [s["inventory"]["product"] for s in document["systems"]] == ["Node A", "Node B"]
    assert (document["inventory"], document["identity"], document["power"]) == (None, None, None)
    assert [enclosure["name"] for enclosure in document["enclosures"]] == ["1"]
    assert one["identity"]["model"] == "Node B"
    assert none.exit_code == 1 and "it has no /redfish/v1/Systems/9" in none.stderr
    assert "Node A" in table and "Node B" in table


def test_a_power_shelf_has_no_system_and_is_shown() -> None:
    tree = service(chassis={"ChassisType": "Shelf", "Model": "ZAP33000", "SerialNumber": "29347"})
    tree |= {f"{ROOT}/Systems": {"Members": []}}
    del tree[SYSTEM]
    with static(tree) as address:
        document = shown(address)
        table = run(address).stdout
    assert (document["systems"], document["power"]) == ([], None)
    assert document["identity"]["serial"] == "29347"
    assert [enclosure["kind"] for enclosure in document["enclosures"]] == ["Shelf"]
    assert "ZAP33000" in table


def test_a_password_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text(PASSWORD + "\n")
    with tree_peer("supermicro-x10") as peer:
        log_in = (peer.address, "--username", "admin", "--password-file")
        for file, stdin in ((str(tmp_path / "pass"), None), ("-", PASSWORD + "\n")):
            done = run(*log_in, file, stdin=stdin)
            assert done.exit_code == 0, done.stderr
            assert "Super Server" in done.stdout
            assert PASSWORD not in done.stdout + done.stderr
        assert peer.state()["sessions"] == []


def test_ipmi(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text(PASSWORD)
    with ipmi_peer(identity=True) as peer:
        document = shown(peer.address, "--username", "admin", "--password-file", str(tmp_path / "pass"))
    assert document["power"] == "power off"
    assert document["abilities"]["bios"] == {"supported": False, "detail": "IPMI has no bios"}
    assert document["managers"][0]["kind"] == "BMC"


def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("wrong")
    with tree_peer("supermicro-x10") as peer:
        done = run(peer.address, "--username", "admin", "--password-file", str(tmp_path / "pass"))
        assert peer.state()["logins"] == ["admin"]
    assert done.exit_code == 1
    assert "correct the credentials" in done.stderr


def test_without_a_log_in_it_shows_what_strangers_are_told_and_says_what_is_missing() -> None:
    with tree_peer("supermicro-x10") as peer:
        done = run(peer.address)
        document = json.loads(run(peer.address, "-o", "json").stdout)
        assert peer.state()["logins"] == []
    assert done.exit_code == 1
    assert "Redfish 1.0.1" in done.stdout
    assert "name a log-in: --credentials NAME, or --username USER --password-file FILE" in done.stderr
    assert [answer["protocol"] for answer in document["answers"]] == ["Redfish"]


def test_a_stranger_at_an_ipmi_address() -> None:
    with ipmi_peer() as peer:
        done = run(peer.address)
    assert done.exit_code == 1
    assert "IPMI 2.0" in done.stdout
    assert "name a log-in" in done.stderr


def test_where_nothing_answers_no_log_in_is_asked_for() -> None:
    done = run("127.0.0.9")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "check the address, the port and the cable; nothing answers over IPMI either" in done.stderr
    assert "name a log-in" not in done.stderr


def test_the_seeds_own_log_in_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "secrets.key").write_bytes(Fernet.generate_key())
    config = tmp_path / "undercloud.yaml"
    config.write_text(CONFIG.format(tmp_path))
    words = ["--config", str(config), "credentials", "add", "rack1", "--username", "admin"]
    assert CliRunner().invoke(app, [*words, "--password-file", "-"], input=PASSWORD).exit_code == 0
    with tree_peer("supermicro-x10") as peer:
        document = shown(peer.address, "--credentials", "rack1", config=str(config))
        missing = run(peer.address, "--credentials", "rack2", config=str(config))
    assert document["inventory"]["memory_mib"] == 65536
    assert missing.exit_code == 1 and "there are: rack1" in missing.stderr


def test_a_seed_that_runs_asks_over_the_conversation_that_it_has(tmp_path: Path) -> None:
    bmcs = [fake("redfish://192.0.2.1", 1), fake("ipmi://192.0.2.2", 2)]
    live = LiveSeed(tmp_path, *bmcs)
    bmcs[1].faults.add(Fault.TIME_OUT)
    with serving(live.seed, live.config):
        log_in = {"config": str(live.config)}
        documents = [shown("redfish://192.0.2.1", "--credentials", "rack", **log_in) for _ in range(2)]
        silent = run("ipmi://192.0.2.2", "--credentials", "rack", **log_in)
    assert [document["identity"]["serial"] for document in documents] == ["SERIAL-1"] * 2
    assert bmcs[0].logins == ["admin"]
    assert (silent.exit_code, silent.stdout) == (1, "")
    assert "no answer; check the cable" in silent.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("x", "--no-auth", "--username", "a"), "give one of --credentials, --username and --no-auth"),
        (("x", "--password-file", "/dev/null"), "--password-file needs --username"),
        (("x", "--credentials", "a", "--insecure"), "is a part of the credentials 'a'"),
        (("x", "--ca-file", "/nowhere"), "--ca-file /nowhere: there is no such file"),
        (("smtp://x",), "unknown protocol 'smtp'"),
        (("redfish+http://127.0.0.1:1", "--no-auth"), "check the address, the port and the cable"),
        (("x", "--credentials", "a"), "/nowhere/undercloud.yaml does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: tuple[str, ...], complaint: str) -> None:
    done = run(*words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_documents_that_are_odd_do_not_stop_it() -> None:
    tree = _two_systems()
    tree[f"{ROOT}/Systems"] = {"Members": [link(SYSTEM), 5, {"@odata.id": []}]}
    tree[SYSTEM] |= {"UUID": 5, "Manufacturer": [], "MemorySummary": "none", "Processors": link("/nowhere")}
    with static(tree) as address:
        assert shown(address)["identity"]["vendor"] is None
