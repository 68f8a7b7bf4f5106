"""inbound routes"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('inbound_emails',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('account_id', sa.UUID(), nullable=False),
    sa.Column('route_id', sa.UUID(), nullable=False),
    sa.Column('recipient', sa.Text(), nullable=False),
    sa.Column('envelope_from', sa.Text(), nullable=False),
    sa.Column('header_from', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('message_id', sa.Text(), nullable=False),
    sa.Column('authentication', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('size_bytes', sa.Integer(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('inbound_emails_pkey'))
    )
    op.create_index(op.f('inbound_emails_account_id_id_idx'), 'inbound_emails', ['account_id', 'id'], unique=False)
    op.create_table('inbound_routes',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('account_id', sa.UUID(), nullable=False),
    sa.Column('domain', sa.Text(), nullable=False),
    sa.Column('pattern', sa.Text(), nullable=False),
    sa.Column('webhook_id', sa.UUID(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('inbound_routes_account_id_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['webhook_id'], ['webhooks.id'], name=op.f('inbound_routes_webhook_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('inbound_routes_pkey'))
    )
    op.create_index(op.f('inbound_routes_account_id_id_idx'), 'inbound_routes', ['account_id', 'id'], unique=False)
    op.create_index(op.f('inbound_routes_pattern_account_id_idx'), 'inbound_routes', ['pattern', 'account_id'], unique=True)
    op.create_index(op.f('inbound_routes_webhook_id_idx'), 'inbound_routes', ['webhook_id'], unique=False)


def downgrade() -> None:
    op.drop_table('inbound_routes')
    op.drop_table('inbound_emails')
