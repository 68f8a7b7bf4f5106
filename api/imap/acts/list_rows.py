r"""What LIST answers for a mailbox's folders: which names, with which attributes; pure.

Parents that are no folders themselves, because they were deleted or never made, are told as \NonExistent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.imap.acts.patterns import join_reference, matches
from api.imap.grammar.folders import Listing
from hourpost.mailboxes.folders import Folder
from hourpost.rules.folder_names import parents_of

_USES = {"drafts": "\\Drafts", "sent": "\\Sent", "junk": "\\Junk", "trash": "\\Trash", "archive": "\\Archive"}


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line of LIST; ``child_info``: by what names below it were selected that are not told (RFC 5258 §3.5)."""

    name: str
    attributes: tuple[str, ...]
    child_info: tuple[str, ...] = ()


def list_names(request: Listing, folders: Sequence[Folder], subscribed: frozenset[str]) -> Iterator[ListRow]:
    """The lines, in the order of names."""
    by_name = {folder.name: folder for folder in folders}
    parents = {parent for name in by_name for parent in parents_of(name)}
    patterns = [join_reference(request.reference, pattern) for pattern in request.patterns]
    chosen = _select(request, by_name, subscribed)
    above = {parent for name in chosen for parent in parents_of(name)} if _is_recursive(request) else set()
    criteria = tuple(one for one in ("SUBSCRIBED", "SPECIAL-USE") if one in request.selection)
    candidates = chosen | above if request.selection & {"SUBSCRIBED", "SPECIAL-USE"} else chosen | parents
    for name in sorted(candidates):
        if any(matches(pattern, name) for pattern in patterns):
            has_info = name in above and _has_unmatched(name, chosen, patterns)
            if name in chosen or has_info or (name in parents and not _is_selective(request)):
                attributes = _attributes(request, name, by_name, parents, subscribed)
                yield ListRow(name, attributes, criteria if has_info else ())


def _is_recursive(request: Listing) -> bool:
    return "RECURSIVEMATCH" in request.selection


def _is_selective(request: Listing) -> bool:
    return bool(request.selection & {"SUBSCRIBED", "SPECIAL-USE"})


def _has_unmatched(parent: str, chosen: set[str], patterns: Sequence[str]) -> bool:
    below = (name for name in chosen if name.startswith(parent + "/"))
    return any(not any(matches(pattern, name) for pattern in patterns) for name in below)


def _select(request: Listing, by_name: dict[str, Folder], subscribed: frozenset[str]) -> set[str]:
    names = set(by_name)
    if "SUBSCRIBED" in request.selection:
        names = set(subscribed)
    if "SPECIAL-USE" in request.selection:
        names = {name for name in names if name in by_name and by_name[name].special_use}
    return names


def _attributes(
    request: Listing, name: str, by_name: dict[str, Folder], parents: set[str], subscribed: frozenset[str]
) -> tuple[str, ...]:
    folder = by_name.get(name)
    attributes = []
    if folder is None:
        attributes += ["\\NonExistent", "\\Noselect"] if request.is_extended else ["\\Noselect"]
    if name in subscribed and "SUBSCRIBED" in request.selection | request.returned:
        attributes.append("\\Subscribed")
    attributes.append("\\HasChildren" if name in parents else "\\HasNoChildren")
    if folder is not None and folder.special_use in _USES:
        attributes.append(_USES[folder.special_use])
    return tuple(attributes)
