r"""Flags as the browser and programs have them: ``seen`` and ``flagged`` instead of ``\Seen``, keywords as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hourpost.errors import Fault, ValidationFailed
from hourpost.rules.mail_flags import Flag, list_flag_names

WORDS = {"seen": Flag.SEEN, "answered": Flag.ANSWERED, "flagged": Flag.FLAGGED, "draft": Flag.DRAFT}
r"""\Deleted is for clients that delete in two steps; here a message is moved to Trash, or gone."""
MAX_KEYWORD = 100
_NOT_IN_ATOMS = frozenset('(){%*"\\] ')


def words_of(flags: int, keywords: Iterable[int] | None, names: Mapping[int, str]) -> list[str]:
    """What a message carries; ``names`` are those of its keywords."""
    words = [name.lstrip("\\").lower() for name in list_flag_names(flags)]
    return words + [names[number] for number in keywords or () if number in names]


def read_words(words: Sequence[str], place: str) -> tuple[Flag, tuple[str, ...]]:
    """Flags as bits, and the rest as keywords. Raises: ValidationFailed, for every word that is neither."""
    flags, keywords, faults = Flag.NONE, list[str](), list[Fault]()
    for index, word in enumerate(words):
        if word.lower() in WORDS:
            flags |= WORDS[word.lower()]
        elif _is_keyword(word):
            keywords.append(word)
        else:
            detail = f"a flag is one of {', '.join(WORDS)}, or a keyword of up to {MAX_KEYWORD} ASCII letters"
            faults.append(Fault(f"{place}/{index}", detail))
    if faults:
        raise ValidationFailed(faults)
    return flags, tuple(keywords)


def _is_keyword(word: str) -> bool:
    return 1 <= len(word) <= MAX_KEYWORD and word.isascii() and word.isprintable() and not _NOT_IN_ATOMS & set(word)
