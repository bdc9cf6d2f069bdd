"""Which machine passes an image on to which: a chain, so that the seed sends it once, not to everybody."""

from __future__ import annotations

from pxe.build.agent.relay import PORT
from seed.step import Walk
from seed.store import Store

IMAGE, SOURCE = "relayed image", "relayed from"  # in the memo of the run that writes


class Relays:
    """Puts a machine that is to write an image behind the last one that is writing it now."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def before(self, walk: Walk, sha512: str) -> tuple[str, ...]:
        """Where the machine of this run gets the image besides the seed; () for the first of a chain.

        Two that ask in the same moment may get the same place, which costs them speed alone.
        """
        with self._store.read() as tx:
            writing = [run for run in tx.runs.all_live().values() if run.memo.get(IMAGE) == sha512]
            others = sorted((run for run in writing if run.id != walk.run.id), key=lambda run: run.id)
            taken = {run.memo.get(SOURCE) for run in others}
            last = next((run.node for run in reversed(others) if run.node not in taken), None)
            agent = tx.nodes.agent(last) if last else None
        walk.remember(**{IMAGE: sha512, SOURCE: last})
        if agent is None:
            return ()
        host = f"[{agent.address}]" if ":" in agent.address else agent.address
        return (f"http://{host}:{PORT}/image/{sha512}",)
