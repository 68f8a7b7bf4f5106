"""no statistics of what nobody compares

ANALYZE reads thirty thousand rows of a table that grows fast, every minute or so; of the bytes of emails, of answers
and of words of relays it learned nothing that a plan can use, and it read them all.
"""

from alembic import op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

COLUMNS = (
    ('content_chunks', 'bytes'),
    ('emails', 'parts'),
    ('emails', 'metadata'),
    ('idempotency_keys', 'answer'),
    ('idempotency_keys', 'body_sha256'),
    ('attempts', 'reply'),
    ('events', 'detail'),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0')


def downgrade() -> None:
    for table, column in COLUMNS:
        op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS -1')
