"""deliveries are analyzed less often

A delivery changes three times on its way, so that a twentieth of the table had changed every ten seconds; and what
ANALYZE learned each time was the same: nearly all have been sent.
"""

from alembic import op

revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        'ALTER TABLE deliveries SET (autovacuum_analyze_scale_factor = 0.5, autovacuum_analyze_threshold = 60000)'
    )


def downgrade() -> None:
    op.execute('ALTER TABLE deliveries SET (autovacuum_analyze_scale_factor = 0.05)')
    op.execute('ALTER TABLE deliveries RESET (autovacuum_analyze_threshold)')
