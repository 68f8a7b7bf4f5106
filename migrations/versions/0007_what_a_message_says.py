"""what a message says, as it is scanned"""

from alembic import op
import sqlalchemy as sa

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column('message_contents', 'display_from', new_column_name='display_from_key')
    op.alter_column('message_contents', 'display_to', new_column_name='display_to_key')
    op.alter_column('message_contents', 'message_id', nullable=True)
    op.alter_column('message_contents', 'in_reply_to', nullable=True)
    op.add_column('message_contents', sa.Column('is_reply', sa.Boolean(), nullable=False, server_default='false'))
    op.add_column('message_contents', sa.Column('from_text', sa.Text(), nullable=False, server_default=''))
    op.add_column('message_contents', sa.Column('to_text', sa.Text(), nullable=False, server_default=''))
    op.add_column('message_contents', sa.Column('sent_on', sa.Date(), nullable=True))
    for name in ('is_reply', 'from_text', 'to_text'):
        op.alter_column('message_contents', name, server_default=None)


def downgrade() -> None:
    for name in ('sent_on', 'to_text', 'from_text', 'is_reply'):
        op.drop_column('message_contents', name)
    op.execute("UPDATE message_contents SET message_id = coalesce(message_id, ''), in_reply_to = coalesce(in_reply_to, '')")
    op.alter_column('message_contents', 'in_reply_to', nullable=False)
    op.alter_column('message_contents', 'message_id', nullable=False)
    op.alter_column('message_contents', 'display_to_key', new_column_name='display_to')
    op.alter_column('message_contents', 'display_from_key', new_column_name='display_from')
