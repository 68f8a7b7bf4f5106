"""Alembic's entry point: runs on the connection that ``migrations.upgrade`` hands over."""

from __future__ import annotations

from alembic import context

from hourpost.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
