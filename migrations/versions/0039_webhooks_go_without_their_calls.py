"""webhooks go without their calls

A call is written beside its event, in the transaction that accepts an email or writes its outcome. While somebody
deleted the webhook, the constraint made that transaction wait, and fail; and a million calls could not go in one
statement. Now who deletes a webhook deletes its row, and its calls are erased bit by bit, as those that come too late.
"""

from alembic import op

revision = '0039'
down_revision = '0038'
branch_labels = None
depends_on = None

_TABLES = ('webhook_calls', 'webhook_attempts')


def upgrade() -> None:
    # In the order in which events are told, so that none of those that are written meanwhile meets us half-way
    op.execute('LOCK TABLE webhooks, webhook_calls, webhook_attempts IN ACCESS EXCLUSIVE MODE')
    for table in _TABLES:
        op.drop_constraint(f'{table}_webhook_id_fkey', table)


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f'DELETE FROM {table} c WHERE NOT EXISTS (SELECT FROM webhooks w WHERE w.id = c.webhook_id)')
        op.create_foreign_key(f'{table}_webhook_id_fkey', table, 'webhooks', ['webhook_id'], ['id'], ondelete='CASCADE')
