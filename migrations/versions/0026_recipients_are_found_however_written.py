"""emails are found by their recipients however these are written

Deliveries are most of a database, and each email would stand for seconds while their index is built.
"""

from alembic import op
from sqlalchemy import Connection

from migrations.indexes import build_beside

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None

_NAME = 'deliveries_account_id_address_email_id_idx'
_NEW = 'deliveries_account_id_lower_address_email_id_idx'
_ON = 'deliveries (account_id, lower(address), email_id)'


def before(connection: Connection) -> None:
    build_beside(connection, _NEW, _ON)


def upgrade() -> None:
    op.execute(f'CREATE INDEX IF NOT EXISTS {_NEW} ON {_ON}')  # of an empty database
    op.drop_index(_NAME, table_name='deliveries')
    op.execute(f'ALTER INDEX {_NEW} RENAME TO {_NAME}')


def downgrade() -> None:
    op.drop_index(_NAME, table_name='deliveries')
    op.create_index(_NAME, 'deliveries', ['account_id', 'address', 'email_id'])
