"""what was accepted is counted

From here on by the scheduler, up to here from what is kept; test mode does not count.
"""

from alembic import op

revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
INSERT INTO tallies (account_id, started_at, kind, count)
SELECT m.account_id, date_bin('10 minutes', m.created_at, TIMESTAMPTZ '2000-01-01Z'), 'accepted', count(*)
FROM emails m JOIN deliveries d ON d.email_id = m.id
WHERE NOT m.test AND m.created_at < (SELECT counted_until FROM tally_marks WHERE id = 1)
AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = m.account_id)
GROUP BY 1, 2
""")


def downgrade() -> None:
    op.execute("DELETE FROM tallies WHERE kind = 'accepted'")
