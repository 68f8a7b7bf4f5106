"""Indexes of large tables that are at work: built beside them, outside of any transaction."""

from __future__ import annotations

from sqlalchemy import Connection, text


def build_beside(connection: Connection, name: str, on: str) -> None:
    """Build the index ``name`` concurrently, unless a try before this one has; nobody waits for it meanwhile."""
    found = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    is_valid = connection.execute(found, {"name": name}).scalar_one_or_none()
    if is_valid:
        return
    if is_valid is not None:  # one that did not get to its end
        connection.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
    connection.execute(text(f"CREATE INDEX CONCURRENTLY {name} ON {on}"))
