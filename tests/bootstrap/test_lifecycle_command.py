"""`undercloud lifecycle show`: every format whole, without a seed; with --node, where the node stands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from bootstrap.cli import app
from seed.drawing import BLUE, HERE
from seed.lifecycle import ironic_39
from seed.store import Store

GRAPH = ironic_39()
FIELDS = ["source", "event", "target", "kind", "phase", "destructive"]
CONFIG = """\
provisioning:
  interface: prov0
  address: 192.0.2.1/24
  dhcp_range: [192.0.2.192, 192.0.2.254]
state_dir: {0}
images_dir: {0}/images
socket: {0}/seed.sock
"""


def show(*words: str, config: Path = Path("/nowhere.yaml")) -> Result:
    done = CliRunner().invoke(app, ["--config", str(config), "lifecycle", "show", *words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def shown(*words: str, config: Path = Path("/nowhere.yaml")) -> str:
    done = show(*words, config=config)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """The configuration of a seed that is down, in the middle of node-1's deploy."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    secrets = Fernet(key := Fernet.generate_key())
    (state / "secrets.key").write_bytes(key)
    config = tmp_path / "undercloud.yaml"
    config.write_text(CONFIG.format(state))
    run = CliRunner().invoke
    add = ["credentials", "add", "rack1", "--username", "a", "--password-file", "-"]
    assert run(app, ["--config", str(config), *add], input="c0rrect-horse").exit_code == 0
    enroll = ["node", "enroll", "ipmi://10.0.0.5", "--credentials", "rack1", "--name", "node-1"]
    assert run(app, ["--config", str(config), *enroll]).exit_code == 0
    store = Store(state / "undercloud.sqlite", secrets)
    walk(store, "manage", "done", "provide", "done", "deploy", "wait")
    store.close()
    return config


def walk(store: Store, *events: str) -> None:
    for event in events:
        with store.write() as tx:
            node = tx.nodes.get("node-1")
            edge = GRAPH.follow(node.state, event)
            tx.nodes.move(node, edge.target, edge.return_to)
            tx.events.add("state", f"{edge.source} → {edge.target} ({edge.event})", node=node.uuid)


def test_json_is_the_table_and_nothing_else() -> None:
    rows: list[dict[str, Any]] = json.loads(shown("--format", "json"))
    assert len(rows) == len(GRAPH.transitions)
    for row, edge in zip(rows, GRAPH.transitions, strict=True):
        assert list(row) == FIELDS
        assert row == {field: getattr(edge, field) for field in FIELDS}
        assert isinstance(row["destructive"], bool)


def test_json_of_a_node_tells_what_leaves_its_state(seed: Path) -> None:
    rows = json.loads(shown("--node", "node-1", "--format", "json", config=seed))
    assert all(list(row) == [*FIELDS, "at"] for row in rows)
    leaving = {row["event"] for row in rows if row["at"]}
    assert leaving == {"abort", "delete", "fail", "hold", "resume"}
    assert {row["source"] for row in rows if row["at"]} == {"wait call-back"}


def blocks(text: str) -> dict[str, list[str]]:
    """What stands under each state."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if (hit := re.match(r"[▶ ] ([a-z][a-z -]*?)(  .*)?$", line)) and hit[1] in GRAPH.graph:
            found[hit[1]] = under = []
        elif line.startswith("    "):
            under.append(line)
    return found


def test_text_names_each_state_and_under_it_all_that_leaves_it() -> None:
    text = shown()
    found = blocks(text)
    assert found.keys() == set(GRAPH.graph)
    for edge in GRAPH.transitions:
        if edge.kind == "internal":
            assert f"{edge.event} → {edge.target}" in "\n".join(found[edge.source])
            continue
        (line,) = (line for line in found[edge.source] if line.split()[0] == edge.event)
        assert f"→ {edge.target}" in line
        assert ("destroys data" in line) == edge.destructive
    assert "\x1b" not in text
    assert "▶" not in text
    assert [line for line in text.splitlines() if line.endswith(" ")] == []


def test_text_of_a_node_tells_where_it_is_and_how_it_goes_on(seed: Path) -> None:
    text = shown("--node", "node-1", config=seed)
    assert text.startswith("node-1 is in state wait call-back.\n")
    assert "Its way: enroll ─manage→ verifying ─done→ manageable ─provide→ cleaning" in text
    assert "Its way ahead: wait call-back ─resume→ deploying ─done→ active\n" in text
    assert "Verbs that are possible now: abort, delete\n" in text
    (here,) = (line for line in text.splitlines()[:-1] if line.startswith("▶"))
    assert here == "▶ wait call-back            under way"
    found = blocks(text)
    assert any("✓ manage" in line for line in found["enroll"])
    assert any("› resume → deploying" in line for line in found["wait call-back"])
    assert any("✓ wait → wait call-back" in line and "› done → active" in line for line in found["deploying"])


def test_a_terminal_gets_bold_verbs_and_red_losses() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bootstrap", "lifecycle", "show"],
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"\x1b\[1mmanage", done.stdout)
    assert re.search(r"\x1b\[1;31mdeploy", done.stdout)
    assert re.search(r"\x1b\[1;34mmanageable", done.stdout)


@pytest.mark.parametrize("language", ["dot", "mermaid"])
def test_graph_languages_are_marked_with_a_node(seed: Path, language: str) -> None:
    plain = shown("--format", language)
    marked = shown("--format", language, "--node", "node-1", config=seed)
    assert plain.startswith(("digraph lifecycle {", "flowchart LR"))
    assert "node-1" not in plain
    assert "node-1" in marked
    assert marked.count(BLUE) > plain.count(BLUE)
    for state in GRAPH.graph:
        assert f'"{state}"' in plain


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_svg_is_drawn_and_marked_with_a_node(seed: Path) -> None:
    for words in ([], ["--node", "node-1"]):
        figure = ET.fromstring(shown("--format", "svg", *words, config=seed))
        said = {text.text for text in figure.iter("{http://www.w3.org/2000/svg}text")}
        assert said >= {*GRAPH.graph, *(edge.event for edge in GRAPH.transitions)}
        assert (HERE in ET.tostring(figure, "unicode")) == bool(words)


@pytest.mark.skipif(os.geteuid() != 0, reason="hiding a program needs root")
def test_without_graphviz_the_other_formats_are_named() -> None:
    dot = shutil.which("dot")
    hide = f"mount --bind /dev/null {dot} && " if dot else ""
    command = f"{hide}exec {sys.executable} -m bootstrap lifecycle show --format svg"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: dot is not installed. Install it with: apt-get install graphviz")
    assert "--format text, mermaid or dot" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--node", "node-1"], 1, "error: /nowhere.yaml does not exist: run `undercloud init`"),
        (["--format", "png"], 2, "'png' is not one of 'text', 'svg', 'dot', 'mermaid', 'json'"),
    ],
)
def test_what_cannot_be_drawn_is_told(words: list[str], code: int, told: str) -> None:
    done = show(*words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in " ".join(re.sub("[│╭╰─╮╯]", " ", done.stderr).split())


def test_an_unknown_node_is_told_and_nothing_is_drawn(seed: Path) -> None:
    done = show("--node", "node-9", config=seed)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no node 'node-9'; there are: node-1")
