"""what an older scanner has read is found"""

from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('message_contents_parser_version_idx', 'message_contents', ['parser_version'])


def downgrade() -> None:
    op.drop_index('message_contents_parser_version_idx', 'message_contents')
