"""credentials leave room for their last use

It is written once a minute for each in use. Where a page has room for it, no index has to be told.
"""

from alembic import op

revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('ALTER TABLE credentials SET (fillfactor = 50)')


def downgrade() -> None:
    op.execute('ALTER TABLE credentials RESET (fillfactor)')
