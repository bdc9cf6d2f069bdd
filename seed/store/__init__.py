"""Where the seed keeps what it knows: one unit of work, a few small collections."""

from seed.store.store import Store, Transaction

__all__ = ["Store", "Transaction"]
