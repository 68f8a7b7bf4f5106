"""How little room on a disk is none."""

from __future__ import annotations

NONE_BYTES = 32 * 1_024 * 1_024
"""Two segments of PostgreSQL's log: where it finds no room for the next one it ends, and starts when there is."""
