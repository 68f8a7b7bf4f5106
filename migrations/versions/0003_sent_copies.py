"""sent copies"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sent_copies',
    sa.Column('email_id', sa.UUID(), nullable=False),
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('is_own', sa.Boolean(), nullable=False),
    sa.Column('content_id', sa.UUID(), nullable=True),
    sa.Column('outcome', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.Column('settled', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('looked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['mailbox_id'], ['mailboxes.id'], name=op.f('sent_copies_mailbox_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('email_id', name=op.f('sent_copies_pkey')),
    postgresql_with={'fillfactor': '80'}
    )
    op.create_index('sent_copies_open_idx', 'sent_copies', ['looked_at'], unique=False, postgresql_where=sa.text('NOT settled'))
    op.create_index(op.f('sent_copies_mailbox_id_idx'), 'sent_copies', ['mailbox_id'], unique=False)


def downgrade() -> None:
    op.drop_table('sent_copies')
