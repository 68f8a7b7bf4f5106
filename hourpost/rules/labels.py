"""Labels: the tags and the metadata that a sender gives an email, and what every door asks of them."""

from __future__ import annotations

import re
from typing import Any

import orjson

from hourpost.rules.visible import is_visible

MAX_TAGS = 75
MAX_TAG_LENGTH = 256
MAX_METADATA_BYTES = 16 * 1024
TAG_NAME = rf"^[A-Za-z0-9_-]{{1,{MAX_TAG_LENGTH}}}$"

_NAME = re.compile(TAG_NAME.removeprefix("^").removesuffix("$"))


def check_tag_value(value: str) -> str:
    """Pass a tag's value. Raises: ValueError, whose words stand behind the value's name."""
    if len(value) > MAX_TAG_LENGTH:
        raise ValueError(f"is longer than {MAX_TAG_LENGTH} characters")
    if not is_visible(value):
        raise ValueError("holds a character that cannot be printed")
    return value


def check_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """Pass what PostgreSQL takes as JSON and is small enough. Raises: ValueError, as above."""
    try:
        written = orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"cannot be stored: {error}") from None
    if len(written) > MAX_METADATA_BYTES:
        raise ValueError(f"is larger than {MAX_METADATA_BYTES} bytes")
    if b"\\u0000" in written:
        raise ValueError("holds the character U+0000")
    return value


def read_tag(text: str) -> dict[str, str]:
    """``kind=receipt`` is a name and a value; a word alone is the value of ``tag``. Raises: ValueError, as above."""
    name, equals, value = text.partition("=")
    if not equals:
        return {"name": "tag", "value": check_tag_value(text)}
    if _NAME.fullmatch(name.strip()) is None:
        raise ValueError(f"has a name that is not 1 to {MAX_TAG_LENGTH} of A-Z, a-z, 0-9, _ and -")
    return {"name": name.strip(), "value": check_tag_value(value.strip())}


def read_tag_list(text: str) -> list[str]:
    """The tags of a JSON list, or of words with commas between them. Raises: ValueError, as above."""
    if not text.startswith("["):
        return [word.strip() for word in text.split(",")]
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is a list that cannot be read as JSON: {error}") from None
    for number, item in enumerate(items, 1):
        if not isinstance(item, str):
            raise ValueError(f"has as item {number} what is no text")  # noqa: TRY004 - a fault of the text
    return [item.strip() for item in items]


def read_metadata(text: str) -> dict[str, Any]:
    """The metadata of a JSON object. Raises: ValueError, as above."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - a fault of the text
    return check_metadata(found)
