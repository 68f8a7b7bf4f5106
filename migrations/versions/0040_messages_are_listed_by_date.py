"""messages are listed by date

A folder's page begins anywhere in it. IMAP goes on by UID, which the primary key serves.
"""

from alembic import op

revision = '0040'
down_revision = '0039'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f('messages_folder_id_received_at_uid_idx'), 'messages', ['folder_id', 'received_at', 'uid'])


def downgrade() -> None:
    op.drop_index(op.f('messages_folder_id_received_at_uid_idx'), table_name='messages')
