from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from dataclasses import asdict

import pytest

from hwdrivers.credentials import Credentials, Secret

SECRET = Secret("hunter2")


@pytest.mark.parametrize(
    "shown",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET} {SECRET!r} {SECRET:>20}",
        "%s %r" % (SECRET, SECRET),  # noqa: UP031
        repr(Credentials("admin", SECRET)),
        repr(asdict(Credentials("admin", SECRET))),
        repr(copy.deepcopy(SECRET)),
    ],
)
def test_a_secret_does_not_print(shown: str) -> None:
    assert "hunter2" not in shown
    assert "***" in shown


def test_nor_does_it_travel() -> None:
    for leak in (pickle.dumps, json.dumps, vars):
        with pytest.raises(TypeError) as caught:
            leak(SECRET)
        assert "hunter2" not in str(caught.value)


def test_nor_does_a_traceback_or_a_log_show_it(caplog: pytest.LogCaptureFixture) -> None:
    def fails(credentials: Credentials) -> None:
        raise RuntimeError(f"cannot use {credentials}")

    try:
        fails(Credentials("admin", SECRET))
    except RuntimeError as error:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        logging.getLogger("test").exception("failed with %s", SECRET)
    shown = "".join(report.format()) + caplog.text
    assert "Secret(***)" in shown
    assert "hunter2" not in shown


def test_secrets_compare() -> None:
    assert Secret("hunter2") == SECRET != Secret("hunter3")
    assert SECRET != "hunter2"
    assert len({SECRET, Secret("hunter2")}) == 1
    assert SECRET.reveal() == "hunter2"
    assert not Secret("")
