"""people log in: sessions, second factors, invitations, the audit log"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def _user(ondelete: str = 'CASCADE', nullable: bool = False, name: str = 'user_id', table: str = '') -> list[sa.schema.SchemaItem]:
    return [
        sa.Column(name, sa.UUID(), nullable=nullable),
        sa.ForeignKeyConstraint([name], ['users.id'], name=f'{table}_{name}_fkey', ondelete=ondelete),
    ]


def upgrade() -> None:
    op.add_column('users', sa.Column('totp_secret', postgresql.BYTEA(), nullable=True))
    op.add_column('users', sa.Column('totp_step', sa.BigInteger(), nullable=True))
    op.add_column('users', sa.Column('is_staff', sa.Boolean(), server_default='false', nullable=False))
    op.create_table('sessions',
        sa.Column('id', sa.UUID(), nullable=False),
        *_user(table='sessions'),
        sa.Column('token_sha256', postgresql.BYTEA(), nullable=False),
        sa.Column('account_id', sa.UUID(), nullable=True),
        sa.Column('viewed_account_id', sa.UUID(), nullable=True),
        sa.Column('awaits_second', sa.Boolean(), server_default='false', nullable=False),
        sa.Column('address', sa.Text(), nullable=False),
        sa.Column('agent', sa.Text(), nullable=False),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.Column('seen_at', MOMENT, nullable=False),
        sa.Column('proven_at', MOMENT, nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name='sessions_account_id_fkey', ondelete='SET NULL'),
        sa.ForeignKeyConstraint(['viewed_account_id'], ['accounts.id'], name='sessions_viewed_account_id_fkey', ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name='sessions_pkey'),
        sa.UniqueConstraint('token_sha256', name='sessions_token_sha256_key'),
    )
    op.create_index('sessions_user_id_idx', 'sessions', ['user_id'])
    op.create_table('one_time_tokens',
        sa.Column('token_sha256', postgresql.BYTEA(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        *_user(table='one_time_tokens', nullable=True),
        sa.Column('detail', postgresql.JSONB(), nullable=False),
        sa.Column('expires_at', MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('sign_up', 'password', 'address', 'passkey', 'totp')", name='one_time_tokens_kind_check'),
        sa.PrimaryKeyConstraint('token_sha256', name='one_time_tokens_pkey'),
    )
    op.create_index('one_time_tokens_user_id_idx', 'one_time_tokens', ['user_id'])
    op.create_index('one_time_tokens_expires_at_idx', 'one_time_tokens', ['expires_at'])
    op.create_table('invitations',
        sa.Column('id', sa.UUID(), nullable=False),
        sa.Column('account_id', sa.UUID(), nullable=False),
        sa.Column('email', sa.Text(), nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.Column('token_sha256', postgresql.BYTEA(), nullable=False),
        *_user(table='invitations', name='invited_by', ondelete='SET NULL', nullable=True),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.Column('expires_at', MOMENT, nullable=False),
        sa.CheckConstraint("role IN ('admin', 'developer', 'viewer', 'billing')", name='invitations_role_check'),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name='invitations_account_id_fkey', ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name='invitations_pkey'),
        sa.UniqueConstraint('token_sha256', name='invitations_token_sha256_key'),
    )
    op.create_index('invitations_account_id_email_idx', 'invitations', ['account_id', 'email'], unique=True)
    op.create_table('passkeys',
        sa.Column('id', sa.UUID(), nullable=False),
        *_user(table='passkeys'),
        sa.Column('credential_id', postgresql.BYTEA(), nullable=False),
        sa.Column('public_key', postgresql.BYTEA(), nullable=False),
        sa.Column('sign_count', sa.BigInteger(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.Column('last_used_at', MOMENT, nullable=True),
        sa.PrimaryKeyConstraint('id', name='passkeys_pkey'),
        sa.UniqueConstraint('credential_id', name='passkeys_credential_id_key'),
    )
    op.create_index('passkeys_user_id_idx', 'passkeys', ['user_id'])
    op.create_table('recovery_codes',
        *_user(table='recovery_codes'),
        sa.Column('code_sha256', postgresql.BYTEA(), nullable=False),
        sa.PrimaryKeyConstraint('user_id', 'code_sha256', name='recovery_codes_pkey'),
    )
    op.create_table('audit_entries',
        sa.Column('id', sa.UUID(), nullable=False),
        sa.Column('account_id', sa.UUID(), nullable=True),
        sa.Column('user_id', sa.UUID(), nullable=True),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('action', sa.Text(), nullable=False),
        sa.Column('detail', postgresql.JSONB(), nullable=False),
        sa.Column('address', sa.Text(), nullable=False),
        sa.Column('at', MOMENT, nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name='audit_entries_account_id_fkey', ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name='audit_entries_pkey'),
    )
    op.create_index('audit_entries_account_id_id_idx', 'audit_entries', ['account_id', 'id'])
    op.create_index('audit_entries_user_id_id_idx', 'audit_entries', ['user_id', 'id'])


def downgrade() -> None:
    for table in ('audit_entries', 'recovery_codes', 'passkeys', 'invitations', 'one_time_tokens', 'sessions'):
        op.drop_table(table)
    for column in ('is_staff', 'totp_step', 'totp_secret'):
        op.drop_column('users', column)
