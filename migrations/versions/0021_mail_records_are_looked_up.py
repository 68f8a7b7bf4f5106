"""the records that lead mail and its programs to us are looked up, and which were seen is kept"""

from alembic import op
import sqlalchemy as sa

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('domains', sa.Column('mail_records_seen', sa.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    op.drop_column('domains', 'mail_records_seen')
