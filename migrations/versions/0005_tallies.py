"""tallies of events"""

from alembic import op
import sqlalchemy as sa

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('tallies',
    sa.Column('account_id', sa.UUID(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('tallies_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', 'started_at', 'kind', name=op.f('tallies_pkey'))
    )
    op.create_table('tally_marks',
    sa.Column('id', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('counted_until', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('tally_marks_pkey'))
    )
    op.create_index(op.f('events_at_idx'), 'events', ['at'], unique=False, postgresql_using='brin',
                    postgresql_with={'pages_per_range': '16', 'autosummarize': 'on'})
    op.execute("INSERT INTO tally_marks SELECT 1, coalesce(min(at), now()) FROM events")


def downgrade() -> None:
    op.drop_index(op.f('events_at_idx'), table_name='events')
    op.drop_table('tally_marks')
    op.drop_table('tallies')
