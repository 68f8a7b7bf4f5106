"""HTML of emails for people to look at: no script, no form, nothing that is loaded from elsewhere unless asked for."""

from __future__ import annotations

import nh3

_TAGS = nh3.ALLOWED_TAGS | {"article", "body", "center", "font", "footer", "header", "main", "section", "style"}
_WITH_CONTENT = {"script", "title", "noscript", "template"}
_LAYOUT = {
    "align", "bgcolor", "border", "cellpadding", "cellspacing", "class", "color", "dir", "face", "height", "hspace",
    "lang", "role", "size", "style", "title", "valign", "vspace", "width",
}  # fmt: skip
_ATTRIBUTES = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()} | {
    "*": _LAYOUT,
    "a": {"href", "name"},
    "img": {"alt", "src", "width", "height"},
    "td": {"colspan", "rowspan", "headers", "background"},
    "th": {"colspan", "rowspan", "headers", "scope", "background"},
}
_SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:{remote}; sandbox allow-popups"
"""The Content-Security-Policy of a page that shows what ``sanitize`` gives; ``remote`` is "" or " https: http:"."""


def sanitize(html: str) -> str:
    """What is left of the HTML of an email once all that acts is gone; links open in a page of their own.

    Styles stay, so it must be shown under ``POLICY``, which keeps them from loading anything.
    """
    return nh3.clean(
        html,
        tags=_TAGS - _WITH_CONTENT,
        clean_content_tags=_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        strip_comments=True,
    )
