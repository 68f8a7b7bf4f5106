"""accounts close"""

from alembic import op
import sqlalchemy as sa

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('accounts', sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        'accounts_closed_idx', 'accounts', ['closed_at'], postgresql_where=sa.text('closed_at IS NOT NULL')
    )


def downgrade() -> None:
    op.drop_index('accounts_closed_idx', table_name='accounts')
    op.drop_column('accounts', 'closed_at')
