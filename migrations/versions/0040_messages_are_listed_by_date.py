"""messages are listed by date

A folder's page begins anywhere in it. IMAP goes on by UID, which the primary key serves. Mail comes in while the index of
millions is built.
"""

from alembic import op
from sqlalchemy import Connection

from migrations.indexes import build_beside

revision = '0040'
down_revision = '0039'
branch_labels = None
depends_on = None

_NAME = 'messages_folder_id_received_at_uid_idx'
_ON = 'messages (folder_id, received_at, uid)'


def before(connection: Connection) -> None:
    build_beside(connection, _NAME, _ON)


def upgrade() -> None:
    op.execute(f'CREATE INDEX IF NOT EXISTS {_NAME} ON {_ON}')  # of an empty database


def downgrade() -> None:
    op.drop_index(_NAME, table_name='messages')
