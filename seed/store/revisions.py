"""The revision of the tables: the one that the database has, and those that this release knows."""

from __future__ import annotations

from importlib.resources import files

import sqlalchemy as sa

from seed.errors import StoreFailed


def upgrade(connection: sa.Connection, name: str) -> None:
    """Bring the tables of a store to the newest revision; raises StoreFailed for those of a newer release."""
    versions = (file.name for file in files("seed.migrations.versions").iterdir())
    known = sorted(name[:4] for name in versions if name.endswith(".py") and name[:4].isdigit())
    made = _made(connection)
    if made == known[-1]:
        return
    if made is not None and made not in known:  # an older release must not write what it does not know
        raise StoreFailed(
            f"the store {name} is of a newer release (revision {made}, this one knows {known[-1]}): "
            "install that release, or put a backup back"
        )
    _migrate(connection)


def _made(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: sa.Connection) -> None:
    from alembic import command  # 10 MB that a seed on an up-to-date store need not carry
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("seed").joinpath("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
