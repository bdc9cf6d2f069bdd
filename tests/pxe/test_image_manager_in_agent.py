"""The hardware manager as the official agent calls it; what it needs of the agent is played here.

Read in ironic-python-agent 13.0.0: `extensions/base.py` (a command is listed after its thread was started,
both under `command_lock`) and `extensions/deploy.py` (the document of the step is logged when it is done).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

SIZE = 3 << 20
DRIVE = base64.b64encode(gzip.compress(b"the host's private key")).decode()


class DeploymentError(Exception):
    pass


class Agent:
    """One command at a time, in a thread of its own."""

    def __init__(self) -> None:
        self.command_lock = threading.Lock()
        self.command_results: dict[str, Any] = {"before": SimpleNamespace(command_params={})}
        self.by_hand: list[tuple[str, str, str]] = []  # config drives that the agent's own code wrote

    def execute(self, act: Any, step: dict[str, Any]) -> Any:
        command = SimpleNamespace(command_params={"step": step}, command_result=None, outcome=None)

        def work() -> None:
            try:
                command.outcome = act({"uuid": "node-uuid"}, [], **step["args"])
            except DeploymentError as error:
                command.outcome = error

        with self.command_lock:
            thread = threading.Thread(target=work)
            thread.start()
            self.command_results["now"] = command
        thread.join()
        return command


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, disk: Path) -> Agent:
    agent = Agent()
    device = SimpleNamespace(name=str(disk), serial="DISK-1")
    parts: dict[str, dict[str, Any]] = {
        "hardware": {
            "HardwareSupport": SimpleNamespace(SERVICE_PROVIDER=3),
            "list_all_block_devices": lambda types: [device],
            "safety_check_block_device": lambda node, name: None,
        },
        "errors": {"DeploymentError": DeploymentError},
        "efi_utils": {},
        "disk_utils": {"partprobe": lambda name: True},
        "partition_utils": {"create_config_drive_partition": lambda *given: agent.by_hand.append(given)},
        "extensions": {},
        "extensions.base": {"get_extension": lambda name: SimpleNamespace(agent=agent)},
    }
    whole = ModuleType("ironic_python_agent")
    monkeypatch.setitem(sys.modules, "ironic_python_agent", whole)
    for name, content in parts.items():
        module = ModuleType(f"ironic_python_agent.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        setattr(whole if "." not in name else vars(whole)["extensions"], name.rpartition(".")[2], module)
    for ours in ("hardware", "mirrored"):
        monkeypatch.delitem(sys.modules, f"pxe.build.agent.{ours}", raising=False)
    return agent


@pytest.fixture
def manager(agent: Agent) -> Any:
    return importlib.import_module("pxe.build.agent.hardware").ImageManager()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(bytes(4 << 20))
    return path


@pytest.fixture
def step(tmp_path: Path, disk: Path) -> Iterator[dict[str, Any]]:
    """An order for an image with an MBR, which is served."""
    content = (bytes(510) + b"\x55\xaa").ljust(SIZE, b"x")
    (tmp_path / "image").write_bytes(content)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    image = {
        "urls": [f"http://127.0.0.1:{server.server_port}/image"],
        "sha512": hashlib.sha512(content).hexdigest(),
        "size": SIZE,
        "disk_format": "raw",
        "compression": None,
        "virtual_size": SIZE,
    }
    where = {"name": str(disk), "serial": "DISK-1"}
    yield {"step": "write_image_stream", "args": {"image": image, "disk": where, "configdrive": DRIVE}}
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_offers_the_step_that_the_seed_orders(manager: Any) -> None:
    from seed.steps.write_image import STEP

    (offered,) = manager.get_deploy_steps({}, [])
    assert (offered["interface"], offered["step"], offered["priority"]) == ("deploy", STEP, 0)
    assert {name for name, told in offered["argsinfo"].items() if told["required"]} == {"image", "disk"}
    assert "mirror" in offered["argsinfo"]
    assert callable(getattr(manager, STEP))


def test_it_writes_tells_how_far_it_is_and_what_it_wrote(
    manager: Any, agent: Agent, step: dict[str, Any], disk: Path
) -> None:
    command = agent.execute(manager.write_image_stream, step)
    assert command.outcome["disk"] == step["args"]["disk"]
    assert command.outcome["seconds"].keys() == {"image", "partitions"}
    assert command.command_result == {"progress": {"bytes": SIZE, "of": SIZE}}
    assert disk.read_bytes()[510:512] == b"\x55\xaa"


def test_the_document_that_the_agent_logs_has_no_config_drive(
    manager: Any, agent: Agent, step: dict[str, Any], disk: Path
) -> None:
    command = agent.execute(manager.write_image_stream, step)
    assert DRIVE not in str(command.command_params)
    assert agent.by_hand == [("node-uuid", str(disk), DRIVE)]  # an MBR's partitions are the agent's business


@pytest.mark.parametrize("serial", ["DISK-2", None])
def test_a_disk_with_another_serial_is_not_written(
    manager: Any, agent: Agent, step: dict[str, Any], disk: Path, serial: str | None
) -> None:
    step["args"]["disk"]["serial"] = serial
    command = agent.execute(manager.write_image_stream, step)
    assert isinstance(command.outcome, DeploymentError)
    assert f"{disk} with serial {serial} is not here; there are: {disk} serial DISK-1" in str(command.outcome)
    assert disk.read_bytes() == bytes(4 << 20)
    assert DRIVE not in str(command.command_params)


def test_a_second_disk_with_another_serial_leaves_the_first_as_it_is(
    manager: Any, agent: Agent, step: dict[str, Any], disk: Path
) -> None:
    step["args"]["mirror"] = {"name": "/dev/vdb", "serial": "DISK-2"}
    command = agent.execute(manager.write_image_stream, step)
    assert "/dev/vdb with serial DISK-2 is not here" in str(command.outcome)
    assert disk.read_bytes() == bytes(4 << 20)
