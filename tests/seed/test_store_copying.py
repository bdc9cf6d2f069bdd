"""A store is copied whole, from either database into either, and works on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from seed_machine import PASSWORD
from store_places import KEY, KINDS, Places

from hwdrivers.address import BMCAddress
from hwdrivers.credentials import Credentials, Secret
from seed.declarations import new_node
from seed.errors import StoreFailed
from seed.store import Store

MAC = "52:54:00:00:00:01"


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_everything_is_copied_once(places: Places, tmp_path: Path, source: str, target: str) -> None:
    places_of = []
    for number, kind in enumerate((source, target)):
        (tmp_path / str(number)).mkdir()
        places_of.append(places.new(kind, tmp_path / str(number)))
    old, new = (Store(where, Fernet(KEY)) for where in places_of)
    node = new_node(BMCAddress.parse("ipmi://192.0.2.1"), "rack", "node-1", (MAC,))
    with old.write() as tx:
        tx.nodes.add(node)
        tx.credentials.put("rack", Credentials("admin", Secret(PASSWORD)))
        run = tx.runs.open(tx.runs.new(node.uuid, "manage", "alice", ("verify_credentials",)))
        for number in range(1500):
            tx.events.add("test", str(number), node=node.uuid, run=run.id, number=number)
    assert old.copy_to(new) > 1500
    with old.read() as before, new.read() as after:
        assert after.nodes.all() == before.nodes.all()
        assert after.runs.all_live() == before.runs.all_live()
        assert after.events.after(0, limit=9999) == before.events.after(0, limit=9999)
        assert after.credentials.get("rack").password.reveal() == PASSWORD
    with new.write() as tx:
        tx.events.add("test", "goes on")
        assert tx.events.newest_id() == 1501
    with pytest.raises(StoreFailed, match="the store to copy into is not empty"):
        old.copy_to(new)
    for store, where in zip((old, new), places_of, strict=True):
        store.close()
        places.forget(where)
