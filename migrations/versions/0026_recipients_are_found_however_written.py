"""emails are found by their recipients however these are written"""

import sqlalchemy as sa
from alembic import op

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None

_NAME = 'deliveries_account_id_address_email_id_idx'


def upgrade() -> None:
    op.drop_index(_NAME, table_name='deliveries')
    op.create_index(_NAME, 'deliveries', ['account_id', sa.text('lower(address)'), 'email_id'])


def downgrade() -> None:
    op.drop_index(_NAME, table_name='deliveries')
    op.create_index(_NAME, 'deliveries', ['account_id', 'address', 'email_id'])
