"""what a mailbox has sent, found by its copy and by what still waits

The web inbox shows beside a letter what became of it, and on every page what still waits. The first index stands in for
that over the mailbox alone.
"""

import sqlalchemy as sa
from alembic import op

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f('sent_copies_mailbox_id_content_id_idx'), 'sent_copies', ['mailbox_id', 'content_id'])
    op.create_index('sent_copies_waiting_idx', 'sent_copies', ['mailbox_id', 'email_id'],
    postgresql_where=sa.text('NOT settled'))
    op.drop_index(op.f('sent_copies_mailbox_id_idx'), table_name='sent_copies')


def downgrade() -> None:
    op.create_index(op.f('sent_copies_mailbox_id_idx'), 'sent_copies', ['mailbox_id'])
    op.drop_index('sent_copies_waiting_idx', table_name='sent_copies')
    op.drop_index(op.f('sent_copies_mailbox_id_content_id_idx'), table_name='sent_copies')
