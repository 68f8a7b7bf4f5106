"""mailboxes have a signature and answer by themselves"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('mailboxes', sa.Column('signature', sa.Text(), server_default='', nullable=False))
    op.add_column('mailboxes', sa.Column('auto_reply', postgresql.JSONB(none_as_null=True), nullable=True))
    op.create_table('auto_replied',
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('replied_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['mailbox_id'], ['mailboxes.id'], name=op.f('auto_replied_mailbox_id_fkey'),
    ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('mailbox_id', 'address', name=op.f('auto_replied_pkey'))
    )
    op.create_index(op.f('auto_replied_replied_at_idx'), 'auto_replied', ['replied_at'])


def downgrade() -> None:
    op.drop_table('auto_replied')
    op.drop_column('mailboxes', 'auto_reply')
    op.drop_column('mailboxes', 'signature')
