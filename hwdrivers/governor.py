"""The governor: every conversation with a BMC goes through it, so that no BMC is frozen, locked out or asked
by several at once. For each BMC it keeps one session, a learnt rate, a circuit breaker and the log-ins that
were refused.

A BMC is a host and a port: several systems behind one Redfish service share all but their conversations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Protocol

from hwdrivers.address import DEFAULT_PORTS, BMCAddress
from hwdrivers.bmc import BMC, Endpoint, PowerState
from hwdrivers.conduct import Conduct, Crowded, Document, Time
from hwdrivers.conversations import Conversation, share
from hwdrivers.errors import BMCError, BMCTimeout, LogInRefused, Unreachable
from hwdrivers.pace import UNPACED, Pace
from hwdrivers.power_round import ask_fleet
from hwdrivers.sweep import Answer, Sweeps
from hwdrivers.thread_sweep import ThreadSweep

IDLE = 30.0  # seconds that a conversation is kept for the next caller: half of what IPMI BMCs keep one
PATIENCE = 60.0  # seconds that a caller waits for another one who logs in or out
_ENDS = (LogInRefused, BMCTimeout, Unreachable)  # a conversation; the next caller begins a new one
_AT_ONCE = 32  # log-outs at the end


class Connect(Protocol):
    """`hwdrivers.connect.connect`, or what stands for it."""

    def __call__(self, endpoint: Endpoint, *, pace: Pace) -> BMC: ...


def unpaced(connect: Callable[[Endpoint], BMC]) -> Connect:
    """A `Connect` of one that obeys no pace, such as `FakeRack.connect`."""

    def paced(endpoint: Endpoint, *, pace: Pace) -> BMC:
        return connect(endpoint)

    return paced


def key(address: BMCAddress) -> str:
    """Which BMC that is, whatever system behind it is meant."""
    return f"{address.host} {address.port or '?'}"


class Governor:
    """Hands out conversations and asks fleets for their power. Any thread may use it."""

    def __init__(
        self,
        connect: Connect,
        sweep: Sweeps | None = None,
        *,
        recall: Callable[[], Mapping[str, Document]] = dict,
        urgent: Callable[[], None] = lambda: None,
        clock: Time | None = None,
        idle: float = IDLE,
    ) -> None:
        """`recall` is called at the first use: what was learnt before, by `key`. `urgent`: there is
        something new that must not be forgotten (see `news`)."""
        self._connect = connect
        self._sweep = sweep or ThreadSweep(partial(connect, pace=UNPACED))
        self._recall: Callable[[], Mapping[str, Document]] | None = recall
        self._urgent = urgent
        self._time = clock or Time()
        self._idle = idle
        self._changed = threading.Condition()
        self._known: dict[str, Conduct] = {}
        self._kin: dict[str, list[Conduct]] = {}
        self._open: dict[BMCAddress, Conversation] = {}
        self._reaper: threading.Thread | None = None
        self._closed = threading.Event()

    # -- conversations -------------------------------------------------------------------------------

    def connect(self, endpoint: Endpoint) -> BMC:
        """A share of the one conversation with that system; `close` gives it back.

        Raises `LeftAlone` or `LogInRefused` without a packet where it is to be left alone.
        """
        conduct = self.conduct(endpoint.address)
        with self._alone(conduct):
            talk = self._open.get(endpoint.address)
            if talk is not None and (talk.ended or talk.endpoint.credentials != endpoint.credentials):
                self._drop(talk)
                talk = None
            if talk is None:
                talk = self._log_in(endpoint, conduct)
            with self._changed:
                talk.users += 1
                self._open[endpoint.address] = talk
        return share(talk.bmc, partial(self._asking, talk, conduct), partial(self._give_back, talk, conduct))

    def _log_in(self, endpoint: Endpoint, conduct: Conduct) -> Conversation:
        conduct.check_login(endpoint)
        with conduct.call():
            self._sweep.forget(endpoint.address)
            try:
                bmc = self._connect(endpoint, pace=conduct)
            except LogInRefused:
                self._refused(endpoint, conduct)
                raise
        conduct.login_accepted()
        return Conversation(endpoint, bmc)

    @contextmanager
    def _asking(self, talk: Conversation, conduct: Conduct) -> Iterator[None]:
        try:
            with conduct.call():
                yield
        except _ENDS as error:
            talk.ended = True
            if isinstance(error, LogInRefused):
                self._refused(talk.endpoint, conduct)
            raise

    def _refused(self, endpoint: Endpoint, conduct: Conduct) -> None:
        conduct.login_refused(endpoint)
        self._urgent()

    def _give_back(self, talk: Conversation, conduct: Conduct) -> None:
        with self._changed:
            talk.users -= 1
            talk.idle_since = self._time.now()
            if talk.users:
                return
        if talk.ended or self._closed.is_set():
            with suppress(Crowded), self._alone(conduct):
                self._drop(talk)
        else:
            self._keep_reaping()

    def _drop(self, talk: Conversation) -> None:
        """Nobody gets it any more; the last one who has it logs out."""
        with self._changed:
            talk.ended = True
            if self._open.get(talk.endpoint.address) is talk:
                del self._open[talk.endpoint.address]
            if talk.users or talk.closed:
                return
            talk.closed = True
        talk.bmc.close()

    @contextmanager
    def _alone(self, conduct: Conduct) -> Iterator[None]:
        """One at a time opens or closes a conversation with a BMC, or asks it in a sweep."""
        with self._changed:
            if not self._changed.wait_for(lambda: not conduct.taken, PATIENCE):
                seen = f"somebody else has been logging in or out for {PATIENCE:.0f} s"
                raise Crowded.at(conduct.address, "log in", seen, "try again")
            conduct.taken = True
        try:
            yield
        finally:
            self._release(conduct)

    def _release(self, conduct: Conduct) -> None:
        with self._changed:
            conduct.taken = False
            self._changed.notify_all()

    # -- idle conversations --------------------------------------------------------------------------

    def _keep_reaping(self) -> None:
        with self._changed:
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap_all, name="idle BMCs", daemon=True)
                self._reaper.start()

    def _reap_all(self) -> None:
        """Ends when nothing is open any more."""
        while True:
            self.reap()
            with self._changed:
                if self._closed.is_set() or not self._open:
                    self._reaper = None
                    return
            self._closed.wait(self._idle / 2)

    def reap(self) -> None:
        """Log out where nobody has asked anything for a while."""
        with self._changed:
            late = self._time.now() - self._idle
            idle = [talk for talk in self._open.values() if not talk.users and talk.idle_since <= late]
        for talk in idle:
            with suppress(Crowded), self._alone(self.conduct(talk.endpoint.address)):
                if not talk.users:
                    self._drop(talk)

    def close(self) -> None:
        """Log out everywhere; what somebody still has is closed when it is given back."""
        with self._changed:
            if self._closed.is_set():
                return
            self._closed.set()
            idle = [talk for talk in self._open.values() if not talk.users]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="log out") as pool:
            list(pool.map(self._drop, idle))
        self._sweep.close()

    # -- the power of many ---------------------------------------------------------------------------

    def power(
        self, endpoints: Iterable[Endpoint], *, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[Answer]:
        """Ask each, as fast as the sweep does; who is left alone is told so, and nothing is sent.

        An open conversation is used where there is one, so that a BMC never has two sessions of ours.
        """
        return ask_fleet(self, self._sweep, endpoints, ended)

    def lend(self, endpoint: Endpoint) -> bool:
        """Leave a BMC to the sweep until `heard`; False: it is to be asked by `connect`. Raises BMCError."""
        conduct = self.conduct(endpoint.address)
        conduct.check_login(endpoint)
        with self._changed:
            if conduct.taken or endpoint.address in self._open:
                return False
            conduct.enter()
            conduct.taken = True
            return True

    def heard(self, endpoint: Endpoint, said: PowerState | BMCError | None) -> None:
        """What the sweep heard of a BMC that it was lent; None: nothing."""
        conduct = self.conduct(endpoint.address)
        if isinstance(said, PowerState):
            conduct.went_well()
            conduct.login_accepted()
        elif said is not None:
            conduct.failed(said)
            if isinstance(said, LogInRefused):
                self._refused(endpoint, conduct)
        else:
            conduct.leave()
        self._release(conduct)

    # -- what is known -------------------------------------------------------------------------------

    def conduct(self, address: BMCAddress) -> Conduct:
        """How that BMC behaves."""
        name = key(address)
        found = self._known.get(name)
        if found is not None:
            return found
        with self._changed:
            self._remember()
            return self._known.get(name) or self._meet(name, address)

    def _meet(self, name: str, address: BMCAddress) -> Conduct:
        """One BMC stands at the standard ports of a host; other ports may be other BMCs (labs)."""
        standard = address.port in (None, *DEFAULT_PORTS.values())
        kin = self._kin.setdefault(address.host, []) if standard else None
        self._known[name] = Conduct(address, self._changed, self._time, kin)
        return self._known[name]

    def _remember(self) -> None:
        if self._recall is None:
            return
        for name, document in self._recall().items():
            host, port = name.rsplit(" ", 1)
            address = BMCAddress(host, port=None if port == "?" else int(port))
            self._meet(name, address).learn(document)
        self._recall = None

    def view(self, address: BMCAddress) -> Document:
        """For people: the BMC as it is now, and the conversations that are open."""
        seen = self.conduct(address).view()
        with self._changed:
            talks = [talk for at, talk in self._open.items() if key(at) == key(address)]
        return {"bmc": str(address), "sessions": len(talks), "in_use": sum(t.users for t in talks), **seen}

    def documents(self) -> dict[str, Document]:
        """All that was learnt, by `key`."""
        with self._changed:
            self._remember()
            known = list(self._known.items())
        return {name: conduct.document() for name, conduct in known}

    @contextmanager
    def news(self, *, at_the_end: bool = False) -> Iterator[dict[str, Document]]:
        """What was learnt since the last time, by `key`; it is news again when keeping it fails."""
        known = list(self._known.items())
        fresh = {name: conduct for name, conduct in known if conduct.is_news(at_the_end=at_the_end)}
        for conduct in fresh.values():
            conduct.kept()
        try:
            yield {name: conduct.document() for name, conduct in fresh.items()}
        except BaseException:
            for conduct in fresh.values():
                conduct.not_kept()
            raise

    def forget(self, address: BMCAddress) -> None:
        """After a BMC was mended: its refused log-ins, and that it is left alone."""
        self.conduct(address).forget()
        self._sweep.forget(address)
        self._urgent()
