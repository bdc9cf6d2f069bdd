"""Runs that several seeds share, flags beside the state, and rollouts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NODE: tuple[sa.Column[Any], ...] = (
    sa.Column("expected_power", sa.String),
    sa.Column("power_policy", sa.String, nullable=False, server_default="report"),
    sa.Column("maintenance_by", sa.String),
    sa.Column("fault", sa.Text),
    sa.Column("retired", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("retired_reason", sa.Text),
    sa.Column("protected", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("protected_reason", sa.Text),
)
RUN: tuple[sa.Column[Any], ...] = (
    sa.Column("args", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("deadline", sa.DateTime),
    sa.Column("needs", sa.String),
    sa.Column("slot", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("intent", sa.String),
    sa.Column("intent_by", sa.String),
    sa.Column("rollout", sa.Integer),
)


def upgrade() -> None:
    for column in NODE:
        op.add_column("node", column)
    op.execute("UPDATE node SET expected_power = power")
    for column in RUN:
        op.add_column("run", column)
    op.drop_index("run_due", "run")
    under_way = sa.text("finished_at IS NULL")
    where: dict[str, Any] = {"sqlite_where": under_way, "postgresql_where": under_way}
    op.create_index("run_due", "run", ["wake_at"], **where)
    op.create_index("run_live", "run", ["node"], unique=True, **where)
    op.create_table(
        "lease",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
    )
    _rollouts()


def _rollouts() -> None:
    op.create_table(
        "rollout",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("finished_at", sa.DateTime),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rollout_state", "rollout", ["state"])
    op.create_table(
        "rollout_node",
        sa.Column("rollout", sa.Integer, sa.ForeignKey("rollout.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("verbs", sa.JSON, nullable=False),
        sa.Column("cursor", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("becomes", sa.String),
        sa.Column("run", sa.Integer),
        sa.Column("message", sa.Text),
    )
    op.create_index("ix_rollout_node_node", "rollout_node", ["node"])
