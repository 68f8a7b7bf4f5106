"""domains are looked up again: each DKIM record is seen by itself, and a proof may go missing for a while"""

from alembic import op
import sqlalchemy as sa

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('domains', sa.Column('dkim_ed25519_seen_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('domains', sa.Column('proof_missing_since', sa.DateTime(timezone=True), nullable=True))
    # Until now one moment stood for both, where the account signs with both.
    op.execute(
        "UPDATE domains d SET dkim_ed25519_seen_at = d.dkim_seen_at FROM accounts a"
        " WHERE a.id = d.account_id AND a.signs_ed25519"
    )


def downgrade() -> None:
    op.drop_column('domains', 'proof_missing_since')
    op.drop_column('domains', 'dkim_ed25519_seen_at')
