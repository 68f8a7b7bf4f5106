"""The revisions by the numbers of their files: Alembic itself costs 14 MB and a quarter of a second."""

from __future__ import annotations

from pathlib import Path


def list_file_revisions() -> list[str]:
    """All migrations in their order, by the numbers that their files' names begin with."""
    files = Path(__file__).parent.glob("versions/[0-9]*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def newest_file_revision() -> str:
    """The newest migration."""
    return list_file_revisions()[-1]


def is_newer(revision: str | None, known: str) -> bool:
    """Whether a database at ``revision`` is of a newer Hourpost than one that knows those up to ``known``.

    Tables are only ever expanded, so an older one runs beside it. What is no number of ours is of somebody else.
    """
    return revision is not None and _is_number(revision) and revision > known


def newer_words(revision: str, known: str) -> str:
    """What to say of it."""
    return f"The database is of a newer Hourpost ({revision}; this one knows {known})"


def _is_number(revision: str) -> bool:
    return len(revision) == 4 and revision.isascii() and revision.isdigit()
