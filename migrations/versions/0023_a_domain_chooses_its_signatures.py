"""a domain chooses by itself whether its mail is signed by Ed25519 too

Those that have not chosen follow their account, as before.
"""

import sqlalchemy as sa
from alembic import op

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('domains', sa.Column('signs_ed25519', sa.Boolean(), nullable=True))


def downgrade() -> None:
    op.drop_column('domains', 'signs_ed25519')
