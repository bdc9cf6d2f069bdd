"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "credentials",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("username", sa.String, nullable=False),
        sa.Column("verify_tls", sa.Boolean(), nullable=False),
        sa.Column("ca_file", sa.String, nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "document",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("node", sa.String, nullable=True),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_node"), "event", ["node"], unique=False)
    op.create_table(
        "node",
        sa.Column("uuid", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("bmc", sa.String, nullable=False),
        sa.Column("credentials", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("target_state", sa.String, nullable=True),
        sa.Column("next_boot", sa.String, nullable=False),
        sa.Column("power", sa.String, nullable=True),
        sa.Column("vendor", sa.String, nullable=True),
        sa.Column("model", sa.String, nullable=True),
        sa.Column("serial", sa.String, nullable=True),
        sa.Column("bmc_firmware", sa.String, nullable=True),
        sa.Column("boot_mode", sa.String, nullable=True),
        sa.Column("maintenance", sa.Boolean(), nullable=False),
        sa.Column("maintenance_reason", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("inventory", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("instance", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("uuid"),
        sa.UniqueConstraint("bmc"),
        sa.UniqueConstraint("name"),
    )
    op.create_index(op.f("ix_node_state"), "node", ["state"], unique=False)
    op.create_table(
        "secret",
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "name"),
    )
    op.create_table(
        "agent",
        sa.Column("node", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(), nullable=True),
        sa.Column("url", sa.String, nullable=True),
        sa.Column("ca", sa.Text(), nullable=True),
        sa.Column("version", sa.String, nullable=True),
        sa.Column("report", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["node"], ["node.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("node"),
    )
    op.create_table(
        "port",
        sa.Column("mac", sa.String, nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("mac"),
    )
    op.create_index(op.f("ix_port_node"), "port", ["node"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("verb", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("return_to", sa.String, nullable=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("cursor", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step_started_at", sa.DateTime(), nullable=False),
        sa.Column("wake_at", sa.DateTime(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("memo", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("lease", sa.String, nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["node"], ["node.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_run_node"), "run", ["node"], unique=False)
    op.create_index("run_due", "run", ["state", "wake_at"], unique=False)
