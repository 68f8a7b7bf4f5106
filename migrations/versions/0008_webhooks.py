"""webhooks"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'webhooks',
        sa.Column('id', sa.UUID(), nullable=False),
        sa.Column('account_id', sa.UUID(), nullable=False),
        sa.Column('endpoint', sa.Text(), nullable=False),
        sa.Column('kinds', postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column('secret', postgresql.BYTEA(), nullable=False),
        sa.Column('old_secret', postgresql.BYTEA(), nullable=True),
        sa.Column('old_secret_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
        sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('disabled_reason', sa.Text(), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('webhooks_account_id_fkey'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('webhooks_pkey')),
    )
    op.create_index(op.f('webhooks_account_id_id_idx'), 'webhooks', ['account_id', 'id'])
    op.create_table(
        'webhook_calls',
        sa.Column('webhook_id', sa.UUID(), nullable=False),
        sa.Column('event_id', sa.UUID(), nullable=False),
        sa.Column('email_id', sa.UUID(), nullable=True),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('payload', postgresql.JSONB(), nullable=True),
        sa.Column('state', sa.Text(), server_default='pending', nullable=False),
        sa.Column('attempts', sa.SmallInteger(), server_default='0', nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'success', 'failed')", name=op.f('webhook_calls_state_check')),
        sa.ForeignKeyConstraint(['webhook_id'], ['webhooks.id'], name=op.f('webhook_calls_webhook_id_fkey'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('webhook_id', 'event_id', name=op.f('webhook_calls_pkey')),
        postgresql_with={'fillfactor': '80'},
    )
    op.create_index(
        'webhook_calls_due_idx', 'webhook_calls', ['webhook_id', 'due_at'], postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index(op.f('webhook_calls_created_at_idx'), 'webhook_calls', ['created_at'], postgresql_using='brin')
    op.create_table(
        'webhook_attempts',
        sa.Column('id', sa.UUID(), nullable=False),
        sa.Column('webhook_id', sa.UUID(), nullable=False),
        sa.Column('event_id', sa.UUID(), nullable=False),
        sa.Column('status', sa.SmallInteger(), nullable=True),
        sa.Column('response', sa.Text(), nullable=False),
        sa.Column('seconds', sa.Float(), nullable=False),
        sa.Column('sent_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['webhook_id'], ['webhooks.id'], name=op.f('webhook_attempts_webhook_id_fkey'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('webhook_attempts_pkey')),
    )
    op.create_index(
        op.f('webhook_attempts_webhook_id_event_id_id_idx'), 'webhook_attempts', ['webhook_id', 'event_id', 'id']
    )
    op.create_index(op.f('webhook_attempts_sent_at_idx'), 'webhook_attempts', ['sent_at'], postgresql_using='brin')


def downgrade() -> None:
    op.drop_table('webhook_attempts')
    op.drop_table('webhook_calls')
    op.drop_table('webhooks')
