"""What is so where the store is a file: nobody else reads it, and a broken one is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from store_places import KEY, Places

from hwdrivers.credentials import Secret
from seed.errors import StoreFailed
from seed.store import Store
from seed.store.place import database


@pytest.fixture
def path(places: Places, tmp_path: Path) -> Path:
    return Path(places.new("sqlite", tmp_path))


def test_readers_and_a_writer_work_at_once(path: Path) -> None:
    with database(path).engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "seed.sqlite", Fernet(KEY))
    store.migrate()
    with store.write() as tx:
        tx.events.add("test", "up")
        paths = list(tmp_path.glob("seed.sqlite*"))
        assert len(paths) == 3  # with -wal and -shm
        for path in paths:
            assert path.stat().st_mode & 0o077 == 0, path
    store.close()


def test_the_files_hold_no_secret_in_plain_text(path: Path) -> None:
    store = Store(path, Fernet(KEY))
    with store.write() as tx:
        tx.secrets.put("node", "agent-token", Secret("a-token-of-an-agent"))
    with store.write() as tx:
        tx.secrets.put("node", "agent-token", Secret("another-token"))
    paths = sorted(path.parent.glob("seed.sqlite*"))
    assert "seed.sqlite-wal" in [path.name for path in paths]
    content = b"".join(path.read_bytes() for path in paths)
    assert b"agent-token" in content
    for secret in (b"a-token-of-an-agent", b"another-token"):
        assert secret not in content
    store.close()


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "seed.sqlite"
    path.write_bytes(b"something else that somebody keeps here" * 100)
    with pytest.raises(StoreFailed, match=f"the store {path} cannot be used: file is not a database"):
        Store(path, Fernet(KEY)).migrate()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "away" / "seed.sqlite"
    with pytest.raises(StoreFailed, match=f"the store {path}: there is no folder {path.parent}"):
        Store(path, Fernet(KEY)).migrate()
