"""webhooks keep all secrets of a day

The latest old one stays where it is, because old processes read and write it there.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = '0037'
down_revision = '0036'
branch_labels = None
depends_on = None


def upgrade() -> None:
    moments = ARRAY(sa.DateTime(timezone=True))
    op.add_column('webhooks', sa.Column('older_secrets', ARRAY(sa.LargeBinary()), server_default='{}', nullable=False))
    op.add_column('webhooks', sa.Column('older_secrets_until', moments, server_default='{}', nullable=False))


def downgrade() -> None:
    op.drop_column('webhooks', 'older_secrets_until')
    op.drop_column('webhooks', 'older_secrets')
