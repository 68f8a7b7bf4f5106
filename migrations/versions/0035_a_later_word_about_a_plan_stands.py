"""a later word about a plan stands

What was switched freely, or given by an operator, after Stripe said something last is not taken away by what ends there.
"""

from alembic import op

revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE entitlements ADD COLUMN overruled_at timestamptz')


def downgrade() -> None:
    op.execute('ALTER TABLE entitlements DROP COLUMN overruled_at')
