"""Alembic: how the tables came to be, one step a file; run once, before every other part.

Queries and the table classes themselves belong in ``hourpost/``.
"""
