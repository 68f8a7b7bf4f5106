"""what is lost of forwards is told

What goes on from a mailbox is looked at only when it ends without having arrived, by whichever process: no sweep has to
ask again and again for all that waits. The id is that of a copy that lies nowhere.
"""

from alembic import op

revision = '0038'
down_revision = '0037'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION open_lost_forward() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      UPDATE sent_copies SET settled = false, looked_at = clock_timestamp()
      WHERE email_id = NEW.email_id AND content_id = '00000000-0000-0000-0000-000000000000';
      RETURN NULL;
    END $$
    """)
    op.execute("""
    CREATE TRIGGER deliveries_lost AFTER UPDATE OF state ON deliveries FOR EACH ROW
    WHEN (NEW.state IN ('bounced', 'expired', 'failed', 'suppressed', 'canceled', 'unknown'))
    EXECUTE FUNCTION open_lost_forward()
    """)


def downgrade() -> None:
    op.execute('DROP TRIGGER deliveries_lost ON deliveries')
    op.execute('DROP FUNCTION open_lost_forward')
