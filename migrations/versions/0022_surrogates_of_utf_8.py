"""surrogates of UTF-8 in headers

POP3 clients that have not asked for UTF-8 are given ASCII. Nothing is looked for among the mail that is there already:
that would be to read all of it.
"""

import sqlalchemy as sa
from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('surrogates',
    sa.Column('content_id', sa.Uuid(), nullable=False),
    sa.Column('growth', sa.Integer(), nullable=False),
    sa.Column('places', sa.ARRAY(sa.Integer()), nullable=False),
    sa.Column('sizes', sa.ARRAY(sa.Integer()), nullable=False),
    sa.Column('texts', sa.ARRAY(sa.LargeBinary()), nullable=False),
    sa.PrimaryKeyConstraint('content_id', name=op.f('surrogates_pkey'))
    )


def downgrade() -> None:
    op.drop_table('surrogates')
