"""deliveries leave room for their changes

Each changes three times within a moment: claimed, at its final dot, done. Where its page is full, the new version goes
to another one, and the dot, which no index has to be told of, costs as much as the others.
"""

from alembic import op

revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE deliveries SET (fillfactor = 50)')


def downgrade() -> None:
    op.execute('ALTER TABLE deliveries SET (fillfactor = 80)')
