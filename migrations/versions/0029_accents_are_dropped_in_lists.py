"""lists are searched without accents

What is there already is scanned again by the sweep, a little at a time, because its parser is older.
"""

import sqlalchemy as sa
from alembic import op

revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None

_COLUMNS = ('plain_header', 'plain_body')


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column('message_texts', sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column('message_texts', name)
