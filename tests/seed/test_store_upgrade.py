"""A store that the release before filled (revision 0003): its tables change, and what it knew is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from cryptography.fernet import Fernet
from store_places import KEY, KINDS

from profiles.document import DocumentError
from profiles.hosts import Deploy, Host
from profiles.site import Site
from seed.model import BootInterface, NextBoot
from seed.store import Store, tables
from seed.store.database import Intent
from seed.store.place import database

UUID, MAC = "5a2f6d0e-0000-4000-8000-000000000001", "52:54:00:00:00:01"
BEFORE = datetime(2026, 1, 1)  # without a zone, as both databases keep it
ROOT = {"serial": "DISK-A", "wwn": None, "name": None, "min_size_gib": 20, "rotational": False}
HOST = {
    "network": "provisioning",
    "image": "debian-12",
    "root_device": ROOT,
    "ssh_keys": ["ssh-ed25519 AAAA"],
    "role": None,
    "user_data": {"packages": ["vim"]},
    "state": "active",
    "match": {"bmc": None, "serial": "SERIAL-1", "name": None, "vendor": None, "model": None},
    "profile": None,
    "name": "node-1",
    "macs": [MAC],
    "hostname": "node-1",
    "address": "192.0.2.10",
    "maintenance": None,
}
INSTANCE = {
    "uuid": "i",
    "image": "debian-12",
    "sha512": "0a",
    "hostname": "node-1",
    "address": "192.0.2.10",
    "role": None,
    "ssh_host_key": "ssh-ed25519 BBBB",
    "host": HOST,
    "network": {"cidr": "192.0.2.0/24", "gateway": None, "dns": []},
    "root_device": ROOT,
    "disk_serial": "DISK-A",
}
NODE = {
    "uuid": UUID,
    "name": "node-1",
    "bmc": "ipmi://192.0.2.9",
    "credentials": "rack",
    "state": "active",
    "next_boot": "disk",
    "power_policy": "report",
    "maintenance": False,
    "retired": False,
    "protected": False,
    "serial": "SERIAL-1",
    "inventory": {
        "disks": [{"name": "/dev/sda", "size_bytes": 1 << 40, "serial": "DISK-A"}],
        "boot_mac": MAC,
    },
    "instance": INSTANCE,
    "created_at": BEFORE,
}
RUN = {
    "id": 7,
    "node": UUID,
    "verb": "deploy",
    "who": "alice",
    "steps": ["boot_ramdisk", "write_image", "boot_from_disk", "first_boot"],
    "return_to": "active",
    "state": "done",
    "cursor": 4,
    "attempt": 0,
    "step_started_at": BEFORE,
    "wake_at": BEFORE,
    "created_at": BEFORE,
    "finished_at": BEFORE,
    "memo": {},
    "args": {},
    "slot": False,
}
SITE = {
    "networks": {"provisioning": {"cidr": "192.0.2.0/24"}},
    "hosts": [
        {"match": {"serial": "SERIAL-1"}, "root_device": {"min_size_gib": 20}, "address": "192.0.2.10"}
    ],
}

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def before(new_store: Callable[[Path], Path | str], tmp_path: Path) -> Path | str:
    """A store of revision 0003 with one host in it."""
    where = new_store(tmp_path)
    with database(where).engine.execution_options(intent=Intent.WRITE).begin() as connection:
        tables.metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
        config = Config()
        config.set_main_option("script_location", str(files("seed").joinpath("migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for table, row in (("node", NODE), ("port", {"mac": MAC, "node": UUID}), ("run", RUN)):
            _insert(connection, table, row)
        event = {
            "at": BEFORE,
            "kind": "power.on",
            "message": "powered on",
            "node": UUID,
            "run": 7,
            "data": {},
        }
        _insert(connection, "event", event)
        _insert(connection, "document", {"name": "profiles", "body": SITE})
    return where


def _insert(connection: sa.Connection, name: str, row: dict[str, Any]) -> None:
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    connection.execute(sa.insert(table), row)


def test_the_tables_are_those_of_a_new_store(before: Path | str) -> None:
    store = Store(before, Fernet(KEY))
    store.migrate()
    store.close()
    with database(before).engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_what_it_knew_is_known_and_what_is_new_is_as_it_was(before: Path | str) -> None:
    store = Store(before, Fernet(KEY))
    store.migrate()
    with store.write() as tx:
        node = tx.nodes.get("node-1")
        assert (node.next_boot, node.boot_interface) == (NextBoot.DISK, BootInterface.PXE)
        assert (node.system_uuid, node.secure_boot, node.console, node.ramdisk_network) == (None,) * 4
        assert node.instance is not None
        host = Host.model_validate(node.instance.host)
        assert (host.deploy, host.interfaces, host.software_raid) == (Deploy.DIRECT, (), False)
        assert host.root_device is not None
        assert node.inventory is not None
        assert host.root_device.fits(node.inventory.disks[0]) is False  # nobody told whether it rotates
        assert tx.documents.site().host_for(node.facts()).address == "192.0.2.10"
        assert tx.runs.get(7).verb == "deploy"
        [bootable] = tx.fleet.bootable()
        assert (bootable.boot_mac, bootable.secure_boot) == (MAC, None)
        tx.nodes.update(UUID, boot_interface=BootInterface.VIRTUAL_MEDIA, ramdisk_network={"links": []})
        tx.events.add("power.on", "powered on", node=UUID)
        assert [event.message for event in tx.events.newest(9, node=UUID)] == ["powered on"] * 2
        assert tx.nodes.by_hardware(serial="SERIAL-1")[0].boot_interface is BootInterface.VIRTUAL_MEDIA
    store.close()


def test_a_declaration_that_this_release_refuses_is_told_and_can_be_replaced(before: Path | str) -> None:
    jinja = {
        "hosts": [{"match": {"serial": "SERIAL-1"}, "user_data": {"runcmd": ["echo {{ ds.meta_data }}"]}}]
    }
    store = Store(before, Fernet(KEY))
    store.migrate()
    with store.write() as tx:
        tx._connection.execute(sa.update(tables.document).values(body=jinja))
        with pytest.raises(DocumentError, match=r"(?s)a template knows no 'ds'.*undercloud profiles apply"):
            tx.documents.site()
        tx.documents.put_site(Site())
        assert tx.documents.site() == Site()
    store.close()
