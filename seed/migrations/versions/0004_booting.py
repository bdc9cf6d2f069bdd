"""How machines boot: which interface, by which identity, and where their consoles are."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("node", sa.Column("system_uuid", sa.String))
    op.add_column("node", sa.Column("secure_boot", sa.Boolean))
    op.add_column("node", sa.Column("console", sa.String))
    op.add_column("node", sa.Column("boot_interface", sa.String, nullable=False, server_default="pxe"))
    op.add_column("node", sa.Column("ramdisk_network", sa.JSON))
    op.create_index("node_system_uuid", "node", ["system_uuid"])
    op.create_index("node_serial", "node", ["serial"])
    op.drop_index("ix_event_node", "event")
    op.create_index("event_node", "event", ["node", "id"])
