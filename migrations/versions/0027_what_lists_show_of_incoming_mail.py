"""what lists show of incoming mail: addresses and attachments; of what came before this, nothing"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('inbound_emails', sa.Column('listing', JSONB(), server_default='{}', nullable=False))


def downgrade() -> None:
    op.drop_column('inbound_emails', 'listing')
