"""credentials file what they send"""

from alembic import op
import sqlalchemy as sa

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('credentials', sa.Column('files_sent', sa.Boolean(), server_default='true', nullable=False))


def downgrade() -> None:
    op.drop_column('credentials', 'files_sent')
