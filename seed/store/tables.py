"""The tables; `seed/migrations` makes them, and a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC on this side; SQLite keeps no time zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


# Texts have no greatest length: SQLite would not hold anyone to it, PostgreSQL would.
metadata = sa.MetaData()

node = sa.Table(
    "node",
    metadata,
    sa.Column("uuid", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
    sa.Column("bmc", sa.String, nullable=False, unique=True),
    sa.Column("credentials", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("target_state", sa.String),
    sa.Column("next_boot", sa.String, nullable=False),
    sa.Column("power", sa.String),
    sa.Column("vendor", sa.String),
    sa.Column("model", sa.String),
    sa.Column("serial", sa.String),
    sa.Column("system_uuid", sa.String),
    sa.Column("secure_boot", sa.Boolean),
    sa.Column("console", sa.String),
    sa.Column("boot_interface", sa.String, nullable=False, server_default="pxe"),
    sa.Column("ramdisk_network", sa.JSON(none_as_null=True)),
    sa.Column("bmc_firmware", sa.String),
    sa.Column("boot_mode", sa.String),
    sa.Column("expected_power", sa.String),
    sa.Column("power_policy", sa.String, nullable=False),
    sa.Column("maintenance", sa.Boolean, nullable=False, default=False),
    sa.Column("maintenance_reason", sa.Text),
    sa.Column("maintenance_by", sa.String),
    sa.Column("fault", sa.Text),
    sa.Column("retired", sa.Boolean, nullable=False, default=False),
    sa.Column("retired_reason", sa.Text),
    sa.Column("protected", sa.Boolean, nullable=False, default=False),
    sa.Column("protected_reason", sa.Text),
    sa.Column("last_error", sa.Text),
    sa.Column("inventory", sa.JSON(none_as_null=True)),
    sa.Column("instance", sa.JSON(none_as_null=True)),
    sa.Column("abilities", sa.JSON(none_as_null=True)),
    sa.Column("created_at", UTCDateTime, nullable=False),
)

sa.Index("node_system_uuid", node.c.system_uuid)
sa.Index("node_serial", node.c.serial)

port = sa.Table(
    "port",
    metadata,
    sa.Column("mac", sa.String, primary_key=True),
    sa.Column("node", sa.ForeignKey("node.uuid", ondelete="CASCADE"), nullable=False, index=True),
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("node", sa.ForeignKey("node.uuid", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("verb", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("steps", sa.JSON, nullable=False),
    sa.Column("return_to", sa.String),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("cursor", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("step_started_at", UTCDateTime, nullable=False),
    sa.Column("wake_at", UTCDateTime, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("memo", sa.JSON, nullable=False),
    sa.Column("args", sa.JSON, nullable=False),
    sa.Column("deadline", UTCDateTime),
    sa.Column("needs", sa.String),
    sa.Column("slot", sa.Boolean, nullable=False),
    sa.Column("intent", sa.String),
    sa.Column("intent_by", sa.String),
    sa.Column("rollout", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Column("finished_at", UTCDateTime),
    sa.Column("lease", sa.String),
    sa.Column("lease_until", UTCDateTime),
)

UNDER_WAY = run.c.finished_at.is_(None)
sa.Index("run_due", run.c.wake_at, sqlite_where=UNDER_WAY, postgresql_where=UNDER_WAY)
# The database itself refuses a second walk of one node.
sa.Index("run_live", run.c.node, unique=True, sqlite_where=UNDER_WAY, postgresql_where=UNDER_WAY)

event = sa.Table(
    "event",
    metadata,
    # On PostgreSQL a plain integer ends after 2,147,483,647 events; SQLite's never does.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("node", sa.String),
    sa.Column("run", sa.Integer),
    sa.Column("data", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)

# The newest of a node are asked for all the time: without `id` PostgreSQL would sort all that it ever had.
sa.Index("event_node", event.c.node, event.c.id)

agent = sa.Table(
    "agent",
    metadata,
    sa.Column("node", sa.ForeignKey("node.uuid", ondelete="CASCADE"), primary_key=True),
    sa.Column("address", sa.String, nullable=False),
    sa.Column("heartbeat_at", UTCDateTime),
    sa.Column("url", sa.String),
    sa.Column("ca", sa.Text),
    sa.Column("version", sa.String),
    sa.Column("report", sa.JSON(none_as_null=True)),
)

credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("username", sa.String, nullable=False),
    sa.Column("verify_tls", sa.Boolean, nullable=False),
    sa.Column("ca_file", sa.String),
)

secret = sa.Table(
    "secret",
    metadata,
    sa.Column("scope", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("ciphertext", sa.LargeBinary, nullable=False),
)

# Who may do what only one may: a seed that lives ("seed:NAME"), the one that answers DHCP ("network").
lease = sa.Table(
    "lease",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("holder", sa.String, nullable=False),
    sa.Column("until", UTCDateTime, nullable=False),
)

rollout = sa.Table(
    "rollout",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("finished_at", UTCDateTime),
    sqlite_autoincrement=True,
)

rollout_node = sa.Table(
    "rollout_node",
    metadata,
    sa.Column("rollout", sa.ForeignKey("rollout.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("node", sa.String, nullable=False, index=True),
    sa.Column("verbs", sa.JSON, nullable=False),
    sa.Column("cursor", sa.Integer, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("becomes", sa.String),
    sa.Column("run", sa.Integer),
    sa.Column("message", sa.Text),
)

document = sa.Table(
    "document",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
)

# What the governor has learnt of a BMC (`hwdrivers.governor.Conduct` as JSON).
bmc_conduct = sa.Table(
    "bmc_conduct",
    metadata,
    sa.Column("bmc", sa.String, primary_key=True),
    sa.Column("vendor", sa.String),
    sa.Column("model", sa.String),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
)

# The row of each BMC as a discovery told it last.
discovered = sa.Table(
    "discovered",
    metadata,
    sa.Column("bmc", sa.String, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("first_seen", UTCDateTime, nullable=False),
    sa.Column("last_seen", UTCDateTime, nullable=False),
)
