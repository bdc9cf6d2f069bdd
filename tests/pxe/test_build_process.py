"""Running other programs: their failures are told, their children do not outlive us, secrets stay secret."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pxe.process import ToolFailed, ToolMissing, require, run


def gone(pid: int) -> bool:
    """Whether a process ended (a zombie that init has not reaped yet counts)."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_stdout_is_returned_and_stdin_is_given() -> None:
    assert run(["cat"], stdin=b"text") == "text"


def test_stdout_can_go_to_a_file(tmp_path: Path) -> None:
    assert run(["echo", "text"], stdout_to=tmp_path / "out") == ""
    assert (tmp_path / "out").read_text() == "text\n"


def test_a_failure_shows_the_command_and_the_end_of_the_output() -> None:
    with pytest.raises(ToolFailed) as caught:
        run(["sh", "-c", "seq 100; echo 'no space left' >&2; exit 3"])
    assert caught.value.returncode == 3
    assert "no space left" in str(caught.value)
    assert "\n50\n" not in str(caught.value)
    assert "command: sh -c" in str(caught.value)


def test_a_missing_program_names_its_debian_package() -> None:
    with pytest.raises(ToolMissing, match="no-such-tool"):
        run(["no-such-tool"])
    assert "apt-get install qemu-utils" in str(ToolMissing("qemu-img"))
    with pytest.raises(ToolMissing):
        require("sh", "no-such-tool")


def test_passwords_in_urls_are_not_shown() -> None:
    with pytest.raises(ToolFailed) as caught:
        run(["sh", "-c", "echo E: https://me:s3cret@mirror.example.test/debian >&2; exit 1"])
    assert "s3cret" not in str(caught.value)
    assert "mirror.example.test" in str(caught.value)


def test_the_environment_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERCLOUD_TOKEN", "s3cret")
    monkeypatch.setenv("https_proxy", "http://proxy.example.test:3128")
    seen = run(["env"], env={"EXTRA": "1"})
    assert "s3cret" not in seen
    assert "https_proxy=http://proxy.example.test:3128" in seen
    assert "EXTRA=1" in seen


def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(ToolFailed, match="did not finish in time"):
        run(["sh", "-c", f"sleep 60 & echo $! $$ > {pids}; wait"], timeout=0.5)
    for pid in map(int, pids.read_text().split()):
        assert pid != os.getpid()
        assert gone(pid)
