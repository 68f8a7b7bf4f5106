"""content of expunged messages is given up"""

from alembic import op
import sqlalchemy as sa

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column('expunges', 'content_id', nullable=True)
    op.drop_index('expunges_expunged_at_idx', 'expunges')
    op.create_index('expunges_expunged_at_idx', 'expunges', ['expunged_at'])
    op.create_index('expunges_content_id_idx', 'expunges', ['content_id'], postgresql_where=sa.text('content_id IS NOT NULL'))


def downgrade() -> None:
    op.drop_index('expunges_content_id_idx', 'expunges')
    op.drop_index('expunges_expunged_at_idx', 'expunges')
    op.create_index('expunges_expunged_at_idx', 'expunges', ['expunged_at'], postgresql_using='brin')
    op.execute("DELETE FROM expunges WHERE content_id IS NULL")
    op.alter_column('expunges', 'content_id', nullable=False)
