"""mailboxes, folders and messages"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('expunges',
    sa.Column('folder_id', sa.UUID(), nullable=False),
    sa.Column('modseq', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('uid', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('flags', sa.SmallInteger(), nullable=False),
    sa.Column('size_bytes', sa.Integer(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('saved_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('content_id', sa.UUID(), nullable=False),
    sa.Column('thread_id', sa.UUID(), nullable=False),
    sa.Column('expunged_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('folder_id', 'modseq', 'uid', name=op.f('expunges_pkey'))
    )
    op.create_index(op.f('expunges_expunged_at_idx'), 'expunges', ['expunged_at'], unique=False, postgresql_using='brin')
    op.create_table('message_contents',
    sa.Column('content_id', sa.UUID(), nullable=False),
    sa.Column('parser_version', sa.SmallInteger(), nullable=False),
    sa.Column('size_bytes', sa.Integer(), nullable=False),
    sa.Column('header_size', sa.Integer(), nullable=False),
    sa.Column('envelope', postgresql.BYTEA(), nullable=False),
    sa.Column('body', postgresql.BYTEA(), nullable=False),
    sa.Column('bodystructure', postgresql.BYTEA(), nullable=False),
    sa.Column('parts', postgresql.BYTEA(), nullable=False),
    sa.Column('message_id', sa.Text(), nullable=False),
    sa.Column('in_reply_to', sa.Text(), nullable=False),
    sa.Column('reference_ids', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('base_subject', sa.Text(), nullable=False),
    sa.Column('from_key', sa.Text(), nullable=False),
    sa.Column('to_key', sa.Text(), nullable=False),
    sa.Column('cc_key', sa.Text(), nullable=False),
    sa.Column('display_from', sa.Text(), nullable=False),
    sa.Column('display_to', sa.Text(), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('preview', sa.Text(), nullable=False),
    sa.Column('has_attachments', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('content_id', name=op.f('message_contents_pkey'))
    )
    op.create_table('message_texts',
    sa.Column('content_id', sa.UUID(), nullable=False),
    sa.Column('header', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('content_id', name=op.f('message_texts_pkey'))
    )
    op.create_table('messages',
    sa.Column('folder_id', sa.UUID(), nullable=False),
    sa.Column('uid', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('modseq', sa.BigInteger(), nullable=False),
    sa.Column('flags', sa.SmallInteger(), nullable=False),
    sa.Column('keywords', postgresql.ARRAY(sa.SmallInteger()), nullable=True),
    sa.Column('size_bytes', sa.Integer(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('saved_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('content_id', sa.UUID(), nullable=False),
    sa.Column('thread_id', sa.UUID(), nullable=False),
    sa.PrimaryKeyConstraint('folder_id', 'uid', name=op.f('messages_pkey')),
    postgresql_with={'fillfactor': '85'}
    )
    op.create_index(op.f('messages_content_id_idx'), 'messages', ['content_id'], unique=False)
    op.create_index(op.f('messages_folder_id_modseq_idx'), 'messages', ['folder_id', 'modseq'], unique=False)
    op.create_table('thread_references',
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('reference', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('thread_id', sa.UUID(), nullable=False),
    sa.PrimaryKeyConstraint('mailbox_id', 'reference', name=op.f('thread_references_pkey'))
    )
    op.create_table('mailboxes',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('account_id', sa.UUID(), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('domain', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=False),
    sa.Column('scram_salt', postgresql.BYTEA(), nullable=False),
    sa.Column('access_generation', sa.Integer(), server_default='0', nullable=False),
    sa.Column('quota_bytes', sa.BigInteger(), nullable=False),
    sa.Column('used_bytes', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('last_uidvalidity', sa.BigInteger(), nullable=False),
    sa.Column('forward_to', postgresql.ARRAY(sa.Text()), server_default='{}', nullable=False),
    sa.Column('keeps_forwarded', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('files_sent', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('quota_bytes > 0', name=op.f('mailboxes_quota_bytes_check')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('mailboxes_account_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('mailboxes_pkey')),
    postgresql_with={'fillfactor': '70'}
    )
    op.create_index(op.f('mailboxes_account_id_id_idx'), 'mailboxes', ['account_id', 'id'], unique=False)
    op.create_index('mailboxes_deleted_idx', 'mailboxes', ['deleted_at'], unique=False, postgresql_where=sa.text('deleted_at IS NOT NULL'))
    op.create_table('app_passwords',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('token_sha256', postgresql.BYTEA(), nullable=False),
    sa.Column('stored_key', postgresql.BYTEA(), nullable=False),
    sa.Column('server_key', postgresql.BYTEA(), nullable=False),
    sa.Column('hint', sa.Text(), nullable=False),
    sa.Column('scopes', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['mailbox_id'], ['mailboxes.id'], name=op.f('app_passwords_mailbox_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('app_passwords_pkey')),
    sa.UniqueConstraint('token_sha256', name=op.f('app_passwords_token_sha256_key'))
    )
    op.create_index(op.f('app_passwords_mailbox_id_idx'), 'app_passwords', ['mailbox_id'], unique=False)
    op.create_table('folder_subscriptions',
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['mailbox_id'], ['mailboxes.id'], name=op.f('folder_subscriptions_mailbox_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('mailbox_id', 'name', name=op.f('folder_subscriptions_pkey'))
    )
    op.create_table('folders',
    sa.Column('id', sa.UUID(), nullable=False),
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('special_use', sa.Text(), nullable=True),
    sa.Column('subscribed', sa.Boolean(), server_default='true', nullable=False),
    sa.Column('uidvalidity', sa.BigInteger(), nullable=False),
    sa.Column('uidnext', sa.Integer(), server_default='1', nullable=False),
    sa.Column('highestmodseq', sa.BigInteger(), server_default='1', nullable=False),
    sa.Column('expunged_before', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('recent_uid', sa.Integer(), server_default='1', nullable=False),
    sa.Column('messages', sa.Integer(), server_default='0', nullable=False),
    sa.Column('unseen', sa.Integer(), server_default='0', nullable=False),
    sa.Column('deleted', sa.Integer(), server_default='0', nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['mailbox_id'], ['mailboxes.id'], name=op.f('folders_mailbox_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('folders_pkey')),
    postgresql_with={'fillfactor': '50'}
    )
    op.create_index(op.f('folders_mailbox_id_name_idx'), 'folders', ['mailbox_id', 'name'], unique=True)
    op.create_table('mailbox_addresses',
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('account_id', sa.UUID(), nullable=False),
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('domain', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('primary', 'alias', 'catch_all')", name=op.f('mailbox_addresses_kind_check')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('mailbox_addresses_account_id_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['mailbox_id'], ['mailboxes.id'], name=op.f('mailbox_addresses_mailbox_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('address', 'account_id', name=op.f('mailbox_addresses_pkey'))
    )
    op.create_index(op.f('mailbox_addresses_mailbox_id_idx'), 'mailbox_addresses', ['mailbox_id'], unique=False)
    op.create_table('mailbox_keywords',
    sa.Column('mailbox_id', sa.UUID(), nullable=False),
    sa.Column('id', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('folded', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['mailbox_id'], ['mailboxes.id'], name=op.f('mailbox_keywords_mailbox_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('mailbox_id', 'id', name=op.f('mailbox_keywords_pkey'))
    )
    op.create_index(op.f('mailbox_keywords_mailbox_id_folded_idx'), 'mailbox_keywords', ['mailbox_id', 'folded'], unique=True)
    # Texts are read by SEARCH only; what fits stays in its row, as the content itself does.
    op.execute("ALTER TABLE message_texts SET (toast_tuple_target = 8160)")
    op.execute("ALTER TABLE message_contents SET (toast_tuple_target = 4080)")
    op.execute(
        "DO $$ BEGIN"
        " IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN"
        "  CREATE EXTENSION IF NOT EXISTS pg_trgm;"
        "  CREATE INDEX message_texts_trigrams_idx ON message_texts USING gin (header gin_trgm_ops, body gin_trgm_ops);"
        " END IF;"
        " EXCEPTION WHEN insufficient_privilege THEN NULL;"  # SEARCH scans the folder then
        " END $$"
    )


def downgrade() -> None:
    op.drop_index(op.f('mailbox_keywords_mailbox_id_folded_idx'), table_name='mailbox_keywords')
    op.drop_table('mailbox_keywords')
    op.drop_index(op.f('mailbox_addresses_mailbox_id_idx'), table_name='mailbox_addresses')
    op.drop_table('mailbox_addresses')
    op.drop_index(op.f('folders_mailbox_id_name_idx'), table_name='folders')
    op.drop_table('folders')
    op.drop_table('folder_subscriptions')
    op.drop_index(op.f('app_passwords_mailbox_id_idx'), table_name='app_passwords')
    op.drop_table('app_passwords')
    op.drop_index('mailboxes_deleted_idx', table_name='mailboxes', postgresql_where=sa.text('deleted_at IS NOT NULL'))
    op.drop_index(op.f('mailboxes_account_id_id_idx'), table_name='mailboxes')
    op.drop_table('mailboxes')
    op.drop_table('thread_references')
    op.drop_index(op.f('messages_folder_id_modseq_idx'), table_name='messages')
    op.drop_index(op.f('messages_content_id_idx'), table_name='messages')
    op.drop_table('messages')
    op.drop_table('message_texts')
    op.drop_table('message_contents')
    op.drop_index(op.f('expunges_expunged_at_idx'), table_name='expunges', postgresql_using='brin')
    op.drop_table('expunges')
