"""mail whose last line has no end

POP3 gives it one, and tells its size with it. Nothing is looked for among the mail that is there already: that would
be to read all of it.
"""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('unended_contents',
    sa.Column('content_id', sa.Uuid(), nullable=False),
    sa.PrimaryKeyConstraint('content_id', name=op.f('unended_contents_pkey'))
    )


def downgrade() -> None:
    op.drop_table('unended_contents')
