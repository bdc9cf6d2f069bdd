"""Converge a machine to a seed: files, keys, store, process; nothing that is there is made again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import yaml

from bootstrap import process
from bootstrap.compose import open_store
from bootstrap.config import Config, read
from bootstrap.key import MissingKey, make
from hwdrivers.credentials import Secret
from profiles.document import DocumentError
from pxe.dnsmasq import DHCPMode
from pxe.firmware import REQUIRED
from pxe.tftp import fetch
from seed.store.errors import WrongKey
from seed.store.place import database


class Setup:
    """What `undercloud init` does, each part only where it is missing."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path = path
        self._config = config

    def pending(self) -> list[str]:
        """What `converge` is going to change, in words."""
        process.refuse_another(self._config)
        self._refuse_another_key()
        config, changes = self._config, []
        if not self._path.exists():
            changes.append(f"write {self._path}")
        elif self._differs():
            changes.append(f"change {self._path} to what was asked now")
        if not config.key_file.exists():
            changes.append(f"make the key of the stored secrets, {config.key_file}")
        if not self._store_exists():
            changes.append(f"create the store, {config.store}")
        if process.pid(config) is not None and self._outdated():
            changes.append("restart the seed with this configuration")
        elif not process.is_up(config):
            what = "the seed" if config.provisioning.dhcp is DHCPMode.NONE else "the seed and its dnsmasq"
            changes.append(f"start {what} on {config.provisioning.interface}")
        return changes

    def converge(self) -> Iterator[str]:
        """Make it so, telling what was done."""
        config = self._config
        outdated = self._outdated()
        if not self._path.exists() or self._differs():
            self._write()
            yield f"wrote {self._path}"
        self._key()
        self._store()
        yield f"the store is {config.store}"
        if outdated:
            process.stop(config)
        if not process.is_up(config):
            process.start(self._path, config)
        yield f"the seed answers on {config.socket}; its log is {config.log_file}"
        for loader in REQUIRED if config.provisioning.serves_tftp else ():
            size = len(fetch(str(config.provisioning.machines_address), loader.filename))
            yield f"{loader.filename} comes by TFTP ({size} bytes)"

    def _outdated(self) -> bool:
        """Whether a seed that runs was started with another configuration."""
        if not self._path.exists() or self._differs():
            return True
        lock = self._config.lock_file  # written when the seed started
        return lock.exists() and lock.stat().st_mtime < self._path.stat().st_mtime

    def _differs(self) -> bool:
        try:
            return read(self._path) != self._config
        except DocumentError:
            return True

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = yaml.safe_dump(self._config.model_dump(mode="json"), sort_keys=False)
        staged = self._path.with_suffix(".new")
        staged.write_text(f"# undercloud's configuration; `undercloud init` reads it again.\n{content}")
        staged.replace(self._path)

    def _store(self) -> None:
        with closing(open_store(self._config)) as store:
            store.migrate()
            with store.write() as tx:
                if not tx.secrets.prove_key():
                    tx.secrets.put("store", "key", Secret("of who made it"))

    def _store_exists(self) -> bool:
        return database(self._config.store, self._config.database_password_file).exists()

    def _refuse_another_key(self) -> None:
        """A store without its key is an error with a way back, never a new key."""
        config = self._config
        if not self._store_exists():
            return
        if not config.key_file.exists():
            raise MissingKey(
                f"{config.store} is there but its key {config.key_file} is not. Put the key back from a "
                "backup, or from another seed of this store; or remove the store too, which forgets all nodes"
            )
        try:
            with closing(open_store(config)) as store, store.read() as tx:
                tx.secrets.prove_key()
        except WrongKey as error:
            raise MissingKey(f"{config.key_file} is not the key of {config.store}: {error}") from error

    def _key(self) -> None:
        """Made once."""
        config = self._config
        config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not config.key_file.exists():
            make(config.key_file)
