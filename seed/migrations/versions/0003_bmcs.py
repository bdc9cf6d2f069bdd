"""What BMCs can do, how they behave, and what the last discovery found."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("node", sa.Column("abilities", sa.JSON))
    op.create_table(
        "bmc_conduct",
        sa.Column("bmc", sa.String, primary_key=True),
        sa.Column("vendor", sa.String),
        sa.Column("model", sa.String),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "discovered",
        sa.Column("bmc", sa.String, primary_key=True),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("first_seen", sa.DateTime, nullable=False),
        sa.Column("last_seen", sa.DateTime, nullable=False),
    )
