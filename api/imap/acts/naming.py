"""Names of folders as clients give them, to names as they are stored."""

from __future__ import annotations

from api.imap.replies import No
from hourpost.rules.folder_names import SEPARATOR, FolderNameError, normalise_folder_name, normalise_new_name


def to_stored_name(name: str) -> str:
    """The name of a folder that should exist. Raises: No where no folder can have it."""
    try:
        return normalise_folder_name(name)
    except FolderNameError:
        raise No("NONEXISTENT", "there is no such folder") from None


def to_new_name(name: str) -> str:
    """The name of a folder to be; a separator at the end only says that there will be others below it.

    Raises: No.
    """
    try:
        return normalise_new_name(name.removesuffix(SEPARATOR))
    except FolderNameError as error:
        raise No("CANNOT", str(error)) from None
