"""mail in the browser"""

from alembic import op
import sqlalchemy as sa

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('mail_sessions',
    sa.Column('token_sha256', sa.LargeBinary(), nullable=False),
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('access_generation', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['mailbox_id'], ['mailboxes.id'], name=op.f('mail_sessions_mailbox_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('token_sha256', name=op.f('mail_sessions_pkey'))
    )
    op.create_index(op.f('mail_sessions_mailbox_id_idx'), 'mail_sessions', ['mailbox_id'], unique=False)


def downgrade() -> None:
    op.drop_table('mail_sessions')
