"""workers tell how the relays do that they send through"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('workers', sa.Column('relays', JSONB(), nullable=True))
    op.add_column('workers', sa.Column('told_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('workers', 'told_at')
    op.drop_column('workers', 'relays')
