"""what is known of a checkout that is open: which plan, where, and until when"""

import sqlalchemy as sa
from alembic import op

revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('customers', sa.Column('checkout_plan', sa.Text(), nullable=True))
    op.add_column('customers', sa.Column('checkout_url', sa.Text(), nullable=True))
    op.add_column('customers', sa.Column('checkout_until', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('customers', 'checkout_until')
    op.drop_column('customers', 'checkout_url')
    op.drop_column('customers', 'checkout_plan')
