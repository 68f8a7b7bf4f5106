"""Names of folders: Unicode, levels divided by ``/``; INBOX in any case is one name (RFC 9051 §5.1)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

SEPARATOR = "/"
INBOX = "INBOX"
MAX_NAME_BYTES = 1000
MAX_LEVELS = 32
MAX_LEVEL_BYTES = 240

SPECIAL_USES = ("drafts", "sent", "junk", "trash", "archive")
"""What a folder may be for; INBOX is known by its name (RFC 6154)."""

DEFAULT_FOLDERS = (
    (INBOX, None),
    ("Drafts", "drafts"),
    ("Sent", "sent"),
    ("Junk", "junk"),
    ("Trash", "trash"),
    ("Archive", "archive"),
)
DEFAULT_NAMES = {use: name for name, use in DEFAULT_FOLDERS if use is not None}
"""What the folder for each use is called, unless somebody calls it otherwise."""


class FolderNameError(ValueError):
    """The text is no name for a folder; the message says why."""


@lru_cache(maxsize=1024)  # a name is said again and again
def normalise_folder_name(text: str) -> str:
    """The one form of a name: as it is given, with INBOX in capitals, also as a parent.

    Composed and decomposed letters stay as they are, and tell names apart: a program that synchronises knows a folder
    by the bytes of its name, and would make one that comes back in others a second time.

    Raises: FolderNameError for an empty level, control characters, or a name too long or too deep.
    """
    levels = text.split(SEPARATOR)
    if not all(levels):
        raise FolderNameError("a folder's name has no empty levels")
    if len(levels) > MAX_LEVELS:
        raise FolderNameError(f"folders are at most {MAX_LEVELS} levels deep")
    if not _is_storable(text) or len(text.encode()) > MAX_NAME_BYTES:
        raise FolderNameError(f"a folder's name has up to {MAX_NAME_BYTES} bytes and no control characters")
    if levels[0].upper() == INBOX:
        levels[0] = INBOX
    return SEPARATOR.join(levels)


def normalise_new_name(text: str) -> str:
    """The same for a folder to be: none that a mail program cannot keep as a directory.

    mbsync refuses a whole mailbox for one folder called ``..``, and a file system takes 255 bytes.

    Raises: FolderNameError, also for a level that is ``.`` or ``..`` or too long.
    """
    name = normalise_folder_name(text)
    for level in name.split(SEPARATOR):
        if level in (".", ".."):
            raise FolderNameError("no level of a folder's name is . or .. alone")
        if len(level.encode()) > MAX_LEVEL_BYTES:
            raise FolderNameError(f"a level of a folder's name has up to {MAX_LEVEL_BYTES} bytes")
    return name


def parents_of(name: str) -> list[str]:
    """Every name above ``name``, the highest first."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:count]) for count in range(1, len(levels))]


def is_below(name: str, parent: str) -> bool:
    """Whether ``parent`` stands above ``name``."""
    return name.startswith(parent + SEPARATOR)


def _is_storable(name: str) -> bool:
    return not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name)
