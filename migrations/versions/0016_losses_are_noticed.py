"""losses are noticed"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('sent_copies', sa.Column('noticed', postgresql.ARRAY(sa.SmallInteger()), server_default='{}', nullable=False))


def downgrade() -> None:
    op.drop_column('sent_copies', 'noticed')
