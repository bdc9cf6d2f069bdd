"""What the governor learns of BMCs, kept in the store and told by vendor and model."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

from hwdrivers.address import BMCAddress
from hwdrivers.conduct_view import latency_view
from hwdrivers.governor import Governor, key
from hwdrivers.latency import Latency
from seed.errors import StoreFailed
from seed.store import Store, Transaction

log = logging.getLogger(__name__)

EVERY = 60.0  # seconds

Document = dict[str, Any]
Model = tuple[str | None, str | None]  # vendor and model


class Learnt:
    """Saves every minute what is new, and at once what must not be forgotten: a refused log-in."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._woken = threading.Event()
        self._ended = False

    def recall(self) -> Mapping[str, Document]:
        """What a governor is to begin with."""
        with self._store.read() as tx:
            return tx.conduct.all()

    def wake(self) -> None:
        """Have it saved now."""
        self._woken.set()

    def save(self, governor: Governor, *, at_the_end: bool = False) -> None:
        """Raises StoreFailed; what was new then is still new."""
        with governor.news(at_the_end=at_the_end) as news:
            if news:
                with self._store.write() as tx:
                    tx.conduct.put(news, models(tx))

    @contextmanager
    def kept(self, governor: Governor) -> Iterator[None]:
        """Save in a thread of its own, and once more on the way out."""
        thread = threading.Thread(target=self._serve, args=(governor,), name="what BMCs bear")
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            self.wake()
            thread.join()

    def _serve(self, governor: Governor) -> None:
        while not self._ended:
            self._woken.wait(EVERY)
            self._woken.clear()
            try:
                self.save(governor)
            except StoreFailed as error:
                log.warning("what was learnt of BMCs is not saved yet: %s", error)


def models(tx: Transaction) -> dict[str, Model]:
    """Vendor and model of each node's BMC, by the governor's key."""
    rows = tx.fleet.columns(["bmc", "vendor", "model"])
    return {key(BMCAddress.parse(row["bmc"])): (row["vendor"], row["model"]) for row in rows}


def by_model(documents: Mapping[str, Document], known: Mapping[str, Model]) -> list[Document]:
    """How the BMCs of each vendor and model behave, those that there are most of first."""
    groups: dict[Model, list[Document]] = defaultdict(list)
    for bmc, document in documents.items():
        groups[known.get(bmc, (None, None))].append(document)
    rows = [_row(model, behaving) for model, behaving in groups.items()]
    return sorted(
        rows, key=lambda row: (-row["bmcs"], not row["vendor"], row["vendor"] or "", row["model"] or "")
    )


def _row(model: Model, documents: list[Document]) -> Document:
    failures: Counter[str] = Counter()
    for document in documents:
        failures.update(document["failures"])
    return {
        "vendor": model[0],
        "model": model[1],
        "bmcs": len(documents),
        "answers": sum(document["answers"] for document in documents),
        "rate": round(median(document["rate"] for document in documents), 2),
        "failures": dict(failures),
        "refused_logins": sum(len(document["refused"]) for document in documents),
        "latency": latency_view(_together(d["latency"] for d in documents)),
    }


def _together(sketches: Iterable[list[float]]) -> Latency:
    all_of_them = Latency()
    for sketch in sketches:
        if sketch:
            all_of_them.merge(Latency.of(sketch))
    return all_of_them
