"""SCRAM for every password

Keys of a mailbox's own password come beside its hash. Those of app passwords were made with another number of rounds,
which nobody was told of: they are made again when somebody logs in by them.
"""

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('mailboxes', sa.Column('scram_keys', sa.LargeBinary(), nullable=True))
    op.alter_column('app_passwords', 'stored_key', nullable=True)
    op.alter_column('app_passwords', 'server_key', nullable=True)
    op.execute('UPDATE app_passwords SET stored_key = NULL, server_key = NULL')


def downgrade() -> None:
    op.execute("UPDATE app_passwords SET stored_key = '', server_key = '' WHERE stored_key IS NULL")
    op.alter_column('app_passwords', 'server_key', nullable=False)
    op.alter_column('app_passwords', 'stored_key', nullable=False)
    op.drop_column('mailboxes', 'scram_keys')
