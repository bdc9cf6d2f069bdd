"""What several seeds that share a PostgreSQL store may rely on."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from postgres_server import PostgresServer, running
from store_places import KEY, Places

from hwdrivers.address import BMCAddress
from seed.declarations import new_node
from seed.errors import StoreFailed
from seed.store import Store

MakeStore = Callable[..., Store]


@pytest.fixture
def url(places: Places) -> Iterator[str]:
    where = str(places.new("postgresql", Path()))
    yield where
    places.forget(where)


@pytest.fixture
def server(places: Places) -> PostgresServer:
    return places.server


@pytest.fixture
def a_seed(url: str) -> Iterator[MakeStore]:
    """Makes stores on one database, each as a seed of its own has it."""
    with ExitStack() as stack:

        def make(more: str = "") -> Store:
            store = Store(url + more, Fernet(KEY))
            stack.callback(store.close)
            return store

        yield make


def note(store: Store, message: str) -> None:
    with store.write() as tx:
        tx.events.add("test", message)


def messages(store: Store) -> list[str]:
    with store.read() as tx:
        return [event.message for event in tx.events.after(0)]


# -- order ---------------------------------------------------------------------------------------------


def test_who_reads_on_from_the_last_event_misses_none(a_seed: MakeStore) -> None:
    """Numbers are given before the commit: without the queue, 8 may be seen before 7 is."""
    writers, seen, last = 8, [], 0
    stores = [a_seed() for _ in range(3)]
    done = threading.Barrier(writers + 1)
    finished = threading.Event()

    def write(writer: int) -> None:
        for number in range(25):
            note(stores[writer % 2], f"{writer}-{number}")
        done.wait()

    def finish() -> None:
        done.wait()
        finished.set()

    with ThreadPoolExecutor(writers + 1) as pool:
        written = [pool.submit(write, writer) for writer in range(writers)] + [pool.submit(finish)]
        more = True
        while more:
            more = not finished.is_set()  # looked at before the last reading
            with stores[2].read() as tx:
                for event in tx.events.after(last):
                    seen.append(event.message)
                    last = event.id
        for each in written:
            each.result(60)
    assert sorted(seen) == sorted(f"{writer}-{number}" for writer in range(writers) for number in range(25))


def test_a_writer_waits_for_the_one_before(a_seed: MakeStore) -> None:
    one, two = a_seed(), a_seed("&options=-c lock_timeout=100ms")
    with one.write(), pytest.raises(StoreFailed, match="lock timeout"):
        note(two, "pushed in")
    note(two, "waited")
    assert messages(one) == ["waited"]


def test_what_reads_cannot_write(a_seed: MakeStore) -> None:
    store = a_seed()
    with pytest.raises(StoreFailed, match="read-only transaction"), store.read() as tx:
        tx.documents.put_site(tx.documents.site())


# -- claims --------------------------------------------------------------------------------------------


def test_a_claim_waits_for_no_writer_and_no_other_claim(a_seed: MakeStore) -> None:
    one, two = a_seed(), a_seed()
    with one.write(), one.claim(), two.claim():
        pass
    with two.write():
        pass


# -- seeds that freeze, servers that go ----------------------------------------------------------------

FREEZE = """
import sys
from cryptography.fernet import Fernet
from seed.store import Store
with Store(sys.argv[1], Fernet(sys.argv[2])).write() as tx:
    tx.events.add("test", "frozen")
    tx.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_seed_that_freezes_while_it_writes_does_not_block_the_others(url: str, a_seed: MakeStore) -> None:
    patience = "&options=-c idle_in_transaction_session_timeout=300ms"
    argv = [sys.executable, "-c", FREEZE, url + patience, KEY.decode()]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as frozen:
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == "writing\n"
        frozen.send_signal(signal.SIGSTOP)
        try:
            note(a_seed(), "went on")
        finally:
            frozen.kill()
    assert messages(a_seed()) == ["went on"]


def test_what_a_seed_wrote_that_was_cut_off_is_not_there(server: PostgresServer, a_seed: MakeStore) -> None:
    store = a_seed()
    with pytest.raises(StoreFailed), store.write() as tx:
        tx.events.add("test", "lost")
        tx.flush()
        cut_off(server)
        tx.events.newest_id()
    note(store, "back")
    cut_off(server)
    assert messages(store) == ["back"]  # connections that broke while they rested are not handed out


def cut_off(server: PostgresServer) -> None:
    server.execute(
        b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        b" WHERE datname LIKE 'store%' AND application_name = 'undercloud'"
    )


# -- announcements -------------------------------------------------------------------------------------


class Heard:
    """Counts, and lets a test wait for the next."""

    def __init__(self) -> None:
        self._calls = threading.Semaphore(0)

    def __call__(self) -> None:
        self._calls.release()

    def wait(self) -> None:
        assert self._calls.acquire(timeout=60)

    @property
    def nothing(self) -> bool:
        return not self._calls.acquire(blocking=False)


def test_an_announcement_is_heard_by_the_other_seeds_alone(a_seed: MakeStore) -> None:
    one, two, heard_one, heard_two = a_seed(), a_seed(), Heard(), Heard()
    with one.listening(heard_one), two.listening(heard_two):
        heard_one.wait()  # each looks once when it has connected
        heard_two.wait()
        note(one, "nobody needs to know")
        announce(one)
        heard_two.wait()
        announce(two)
        heard_one.wait()
        assert heard_one.nothing
        assert heard_two.nothing


def test_an_announcement_comes_with_what_was_saved_or_not_at_all(a_seed: MakeStore) -> None:
    one, two, heard = a_seed(), a_seed(), Heard()
    with two.listening(heard):
        heard.wait()
        with pytest.raises(RuntimeError), one.write() as tx:
            tx.announce()
            raise RuntimeError
        with one.write() as tx:
            tx.announce()
            tx.announce()
            tx.events.add("test", "saved")
            assert heard.nothing
        heard.wait()
        assert messages(two) == ["saved"]
        assert heard.nothing


def test_a_run_that_becomes_due_is_announced(a_seed: MakeStore) -> None:
    one, two, heard = a_seed(), a_seed(), Heard()
    node = new_node(BMCAddress.parse("ipmi://192.0.2.1"), "rack", "node-1", ())
    with one.write() as tx:
        tx.nodes.add(node)
    with two.listening(heard):
        heard.wait()
        with one.write() as tx:
            new = tx.runs.new(node.uuid, "manage", "alice", ("verify_credentials",), return_to="manageable")
            run = tx.runs.open(new)
        heard.wait()
        with one.write() as tx:
            tx.runs.wake(node.uuid)
        heard.wait()
        with one.write() as tx:
            tx.runs.save([run])
        heard.wait()
        with one.read() as tx:
            assert tx.runs.live(node.uuid) is not None
        assert heard.nothing


def announce(store: Store) -> None:
    with store.write() as tx:
        tx.announce()


def test_a_seed_listens_again_after_the_server_was_away() -> None:
    heard = Heard()
    with running() as server:
        url = server.url(server.create())
        one, two = Store(url, Fernet(KEY)), Store(url, Fernet(KEY))
        one.migrate()
        with two.listening(heard):
            heard.wait()
            server.stop()
            with pytest.raises(StoreFailed):
                note(one, "nowhere to write")
            server.start()
            heard.wait()  # something may have been announced meanwhile
            announce(one)
            heard.wait()
        for store in (one, two):
            store.close()


def test_listening_ends_at_once_also_while_the_server_is_away() -> None:
    nowhere = Store("postgresql:///none?host=/nonexistent", Fernet(KEY))
    before = threading.active_count()
    with nowhere.listening(lambda: None):
        pass
    assert threading.active_count() == before


# -- opening -------------------------------------------------------------------------------------------


def refusal(url: str, password_file: Path | None = None) -> str:
    """In which words a store is not opened."""
    with pytest.raises(StoreFailed) as refused:
        store = Store(url, Fernet(KEY), password_file=password_file)
        store.migrate()
    return str(refused.value)


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = refusal(f"postgresql:///undercloud?host={tmp_path}")
    assert told.startswith(f"the store postgresql:///undercloud?host={tmp_path} cannot be used: ")
    assert "No such file or directory" in told
    assert told.endswith("see that it runs, and that `database` in the configuration names it")


def test_a_database_or_user_that_is_not_there_is_told(server: PostgresServer) -> None:
    assert 'database "nothing" does not exist; create it: createdb' in refusal(server.url("nothing"))
    assert 'role "nobody" does not exist; create it: createuser' in refusal(server.url("postgres", "nobody"))


def test_a_database_of_another_encoding_is_refused(server: PostgresServer) -> None:
    name = server.create(encoding="LATIN1")
    assert "is encoded in LATIN1, which cannot hold every text: make one with" in refusal(server.url(name))


def test_a_user_who_may_not_make_tables_is_told(server: PostgresServer) -> None:
    name = server.create()
    server.execute(b"CREATE ROLE guest LOGIN")
    assert "cannot be used: permission denied for schema public; the user needs" in refusal(
        server.url(name, "guest")
    )


def test_the_password_comes_from_a_file(server: PostgresServer, tmp_path: Path) -> None:
    server.execute(b"CREATE ROLE locked LOGIN PASSWORD 'open sesame'")
    name = server.create()
    server.execute(f"ALTER DATABASE {name} OWNER TO locked".encode())
    url, file = server.url(name, "locked"), tmp_path / "password"
    assert "no password supplied; put it into a file of mode 0600" in refusal(url)
    assert f"{file}: the store's password cannot be read: No such file or directory" in refusal(url, file)
    file.write_text("open barley\n")
    file.chmod(0o640)
    assert f"{file}: others can read the store's password: chmod 600 {file}" in refusal(url, file)
    file.chmod(0o600)
    told = refusal(url, file)
    assert 'password authentication failed for user "locked"; put the right one into the file' in told
    assert "barley" not in told
    file.write_text("open sesame\n")
    store = Store(url, Fernet(KEY), password_file=file)
    store.migrate()
    note(store, "in")
    store.close()
    assert "sesame" not in repr(store.__dict__)


def test_without_the_driver_it_is_named() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from seed.errors import StoreFailed\n"
        "from seed.store import Store\n"
        "try:\n    Store('postgresql:///undercloud', None)\n"
        "except StoreFailed as error:\n    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert said.startswith(
        "the store postgresql:///undercloud is on PostgreSQL, whose driver is not installed"
    )
    assert said.endswith(": pip install 'undercloud[postgresql]'\n")
