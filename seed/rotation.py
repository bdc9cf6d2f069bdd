"""Change the password of named credentials on every BMC that uses them, and forget the old one last.

While it goes on there are two profiles: the old one, and `NAME (new)` with the pending password, encrypted
like any other. A node moves to the new one when a log-in with it was seen to work, so that at any moment,
also after a crash, each node has a password that lets in. Asked again, it goes on where it stopped.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

from hwdrivers.address import BMCAddress
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import AccessDenied, BMCError, Unsupported
from hwdrivers.interfaces import Interface
from hwdrivers.offers import offered
from seed.bmcs import BMCs
from seed.model import Node
from seed.store import Store, Transaction
from seed.store.errors import Conflict

AT_ONCE = 16
# What every BMC takes: 16 bytes (IPMI 1.5), and signs that no shell, URL or XML of a BMC trips over.
_LENGTH = 16
_SIGNS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.")
IPMI_LONGEST = 20  # bytes (IPMI 2.0 section 22.30)

Document = dict[str, Any]


def pending(name: str) -> str:
    """What the profile with the new password is called meanwhile."""
    return f"{name} (new)"


def former(name: str) -> str:
    """What the old one is called afterwards, where BMCs that are no nodes still need it."""
    return f"{name} (old)"


@dataclass(frozen=True)
class Prepared:
    """Both passwords, and the nodes of each BMC that is to be changed."""

    name: str
    old: Credentials
    new: Credentials
    bmcs: tuple[tuple[Node, ...], ...]


class Rotation:
    """`forget`: have the governor forget the log-ins that a BMC refused, for its password is another now."""

    def __init__(self, store: Store, bmcs: BMCs, forget: Callable[[BMCAddress], None]) -> None:
        self._store = store
        self._bmcs = bmcs
        self._forget = forget

    def prepare(
        self, name: str, password: Callable[[], Secret] | Secret | None, nodes: Sequence[str] | None, who: str
    ) -> Prepared:
        """Keep the new password before any BMC is told it; without one, go on with what was begun.

        `nodes`: None means all that use these credentials. Raises NotFound or Conflict; nothing has changed.
        """
        with self._store.write() as tx:
            old, users = tx.credentials.get(name), _users(tx, name)
            chosen = users if nodes is None else [_one_of(tx, key, name) for key in nodes]
            if not chosen:
                raise Conflict(f"no node uses credentials '{name}': replace them by `credentials add {name}`")
            new = replace(old, password=_new_password(tx, name, old, password))
            _refuse_long(new.password, chosen)
            tx.credentials.put(pending(name), new)
            tx.events.add("credentials.rotation", f"credentials '{name}' are being rotated by {who}", who=who)
        by_bmc: dict[tuple[str, int | None], list[Node]] = {}
        for node in chosen:
            address = BMCAddress.parse(node.bmc)
            by_bmc.setdefault((address.host, address.port), []).append(node)
        return Prepared(name, old, new, tuple(tuple(group) for group in by_bmc.values()))

    def run(
        self, prepared: Prepared, who: str, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[Document]:
        """A document `bmc` for each, and `summary` at the end. Once `ended()`, no further BMC is begun."""
        failed = 0
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rotation") as pool:
            jobs = {pool.submit(self._bmc, prepared, nodes, who, ended): nodes for nodes in prepared.bmcs}
            for number, job in enumerate(as_completed(jobs), 1):
                nodes, error = jobs[job], job.result()
                failed += error is not None
                row = {"bmc": nodes[0].bmc, "nodes": [node.name for node in nodes], "error": error}
                outcome = "failed" if error else "rotated"
                yield {"bmc": row | {"outcome": outcome}, "progress": {"done": number, "total": len(jobs)}}
        finished = self._finish(prepared, who)
        done = len(prepared.bmcs) - failed
        yield {"summary": {"rotated": done, "failed": failed, "finished": finished}}

    # -- one BMC

    def _bmc(
        self, prepared: Prepared, nodes: Sequence[Node], who: str, ended: Callable[[], bool]
    ) -> str | None:
        """None: it has the new password. Else why not, in words."""
        if ended():
            return "stopped before this BMC was asked"
        if all(node.credentials == pending(prepared.name) for node in nodes):
            return None
        busy = self._busy(nodes)
        if busy is not None:
            return busy
        try:
            if not self._has_it_already(prepared, nodes):
                self._change(prepared, nodes, who)
        except BMCError as error:
            with self._store.write() as tx:
                tx.events.add("credentials.failed", str(error), node=nodes[0].uuid, who=who)
            return str(error)
        self._move(prepared, nodes, who)
        return None

    def _busy(self, nodes: Iterable[Node]) -> str | None:
        with self._store.read() as tx:
            for node in nodes:
                run = tx.runs.live(node.uuid)
                if run is not None:
                    return (
                        f"node '{node.name}': run {run.id} ({run.verb}) is under way; rotate again after it"
                    )
        return None

    def _has_it_already(self, prepared: Prepared, nodes: Sequence[Node]) -> bool:
        """Whether an earlier attempt told it the new password and broke off."""
        with self._store.read() as tx:
            told = tx.secrets.find(_scope(prepared.name), _key(nodes))
        if told is None:
            return False
        try:
            self._verify(nodes, prepared.new)
        except AccessDenied:
            self._forget(BMCAddress.parse(nodes[0].bmc))
            return False
        return True

    def _change(self, prepared: Prepared, nodes: Sequence[Node], who: str) -> None:
        old, new = prepared.old, prepared.new
        address = BMCAddress.parse(nodes[0].bmc)
        with self._bmcs.log_in(nodes[0].bmc, old) as bmc:
            accounts = offered(bmc.address, Interface.ACCOUNTS, bmc.accounts)
            with self._store.write() as tx:  # from here on it may have either
                tx.secrets.put(_scope(prepared.name), _key(nodes), new.password)
                words = f"the password of credentials '{prepared.name}' is being changed on the BMC by {who}"
                for node in nodes:
                    tx.events.add("credentials.changing", words, node=node.uuid, who=who)
            try:
                accounts.set_password(old.username, new.password)
            except Unsupported:
                self._unmark(prepared, nodes)
                raise
            self._forget(address)
            try:
                self._verify(nodes, new)
            except BMCError as error:
                self._forget(address)
                raise self._put_back(prepared, nodes, accounts.set_password, error) from error

    def _verify(self, nodes: Sequence[Node], login: Credentials) -> None:
        """A log-in of its own, and one question that needs it."""
        with self._bmcs.log_in(nodes[0].bmc, login) as bmc:
            bmc.power_state()

    def _put_back(
        self,
        prepared: Prepared,
        nodes: Sequence[Node],
        set_password: Callable[[str, Secret], None],
        seen: BMCError,
    ) -> BMCError:
        """The old password again, over the conversation that is still open."""
        address = BMCAddress.parse(nodes[0].bmc)
        what, said = "verify the new password", f"it took it, and then: {seen}"
        try:
            set_password(prepared.old.username, prepared.old.password)
            self._forget(address)
            self._verify(nodes, prepared.old)
        except BMCError as error:
            advice = f"the old one could not be put back either ({error}); both are kept: rotate again"
            return BMCError.at(address, what, said, advice)
        self._unmark(prepared, nodes)
        return BMCError.at(address, what, said, "the old one was put back and lets in")

    # -- the store

    def _unmark(self, prepared: Prepared, nodes: Sequence[Node]) -> None:
        """It has the old one for sure."""
        with self._store.write() as tx:
            tx.secrets.drop(_scope(prepared.name), _key(nodes))

    def _move(self, prepared: Prepared, nodes: Sequence[Node], who: str) -> None:
        with self._store.write() as tx:
            for node in nodes:
                tx.nodes.update(node.uuid, credentials=pending(prepared.name))
                words = f"the BMC has the new password of credentials '{prepared.name}', by {who}"
                tx.events.add("credentials.changed", words, node=node.uuid, who=who)
            tx.secrets.drop(_scope(prepared.name), _key(nodes))

    def _finish(self, prepared: Prepared, who: str) -> bool:
        """Give up the old password once no node needs it; False: some do."""
        name = prepared.name
        with self._store.write() as tx:
            nodes = tx.nodes.all()
            if any(node.credentials == name for node in nodes):
                return False
            for node in nodes:
                if node.credentials == pending(name):
                    tx.nodes.update(node.uuid, credentials=name)
            self._keep_for_others(tx, prepared, {node.bmc for node in nodes})
            tx.credentials.put(name, prepared.new)
            tx.credentials.remove(pending(name))
            tx.secrets.drop(_scope(name))
            tx.events.add("credentials", f"credentials '{name}' rotated by {who}", who=who)
        return True

    def _keep_for_others(self, tx: Transaction, prepared: Prepared, bmcs: set[str]) -> None:
        """BMCs that were discovered with the old password and never enrolled still have it."""
        known = tx.discovered.all().values()
        others = [
            k for k in known if k.body["login"] == prepared.name and not bmcs & {k.bmc, *k.body["also"]}
        ]
        if others:
            tx.credentials.put(former(prepared.name), prepared.old)
        for other in others:
            tx.discovered.amend(other.bmc, other.body | {"login": former(prepared.name)})


def _users(tx: Transaction, name: str) -> list[Node]:
    return [node for node in tx.nodes.all() if node.credentials in (name, pending(name))]


def _one_of(tx: Transaction, key: str, name: str) -> Node:
    node = tx.nodes.get(key)
    if node.credentials not in (name, pending(name)):
        raise Conflict(f"node '{node.name}' uses credentials '{node.credentials}', not '{name}'")
    return node


def _new_password(
    tx: Transaction, name: str, old: Credentials, password: Callable[[], Secret] | Secret | None
) -> Secret:
    begun = tx.credentials.get(pending(name)).password if pending(name) in tx.credentials.names() else None
    if isinstance(password, Secret):
        if begun is not None and begun != password:
            raise Conflict(f"a rotation of '{name}' to another password is under way: finish it first")
        if password == old.password:
            raise Conflict(f"that is the password of '{name}' already")
        return password
    if begun is not None:
        return begun
    if password is None:
        raise Conflict(f"no rotation of '{name}' is under way: give the new password, or have one generated")
    return password()


def _refuse_long(password: Secret, nodes: Iterable[Node]) -> None:
    if len(password.reveal().encode()) > IPMI_LONGEST:
        for node in nodes:
            if not BMCAddress.parse(node.bmc).is_redfish:
                raise Conflict(
                    f"IPMI takes {IPMI_LONGEST} bytes at most, and node '{node.name}' is {node.bmc}"
                )


def _scope(name: str) -> str:
    """Where it is marked which BMCs may have been told the new password."""
    return f"rotation:{name}"


def _key(nodes: Sequence[Node]) -> str:
    return nodes[0].bmc


def generated() -> Secret:
    """A password that satisfies the usual policies: a sign of each kind, a letter first, 16 in all."""
    signs = [secrets.choice(kind) for kind in _SIGNS]
    signs += [secrets.choice("".join(_SIGNS)) for _ in range(_LENGTH - 1 - len(signs))]
    secrets.SystemRandom().shuffle(signs)
    return Secret("".join([secrets.choice(string.ascii_letters), *signs]))
