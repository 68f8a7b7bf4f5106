"""HTML of strangers made safe to show: no scripts, styles that only decorate, and nothing fetched from elsewhere.

It is still to be shown in a sandboxed frame without scripts and with a policy of its own: this is one of two walls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import nh3

from hourpost.rules.mail.html_rewriting import Rewriter

MAX_CHARACTERS = 512 * 1024
MAX_WRITTEN = 1024 * 1024  # what is short as it comes may be long with all that it leaves open
MAX_AMPERSANDS = 50_000  # the parser takes time by the square for them

_TAGS_NAMES = (
    "a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn"
    " div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li main mark nav ol p"
    " pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt"
    " u ul var wbr"
)
_TAGS = frozenset(_TAGS_NAMES.split())
_EMPTIED_NAMES = "script style title template iframe audio video select textarea noframes"
_EMPTIED = frozenset(_EMPTIED_NAMES.split())
_EVERYWHERE = frozenset(("style", "title", "dir", "lang", "align", "valign", "width", "height", "bgcolor", "color"))
_ATTRIBUTES = {
    "*": set(_EVERYWHERE),
    "a": {"href", "name"},
    "img": {"src", "alt", "border", "hspace", "vspace"},
    "table": {"border", "cellpadding", "cellspacing", "summary"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap", "scope"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"face", "size"},
    "ol": {"start", "type", "reversed"},
    "ul": {"type"},
    "li": {"value"},
    "blockquote": {"cite"},
    "time": {"datetime"},
}
# None of these takes an address, moves anything out of its place or covers what is around it.
_STYLES_NAMES = (
    "background-color border border-bottom border-bottom-color border-bottom-style border-bottom-width border-collapse"
    " border-color border-left border-left-color border-left-style border-left-width border-radius border-right"
    " border-right-color border-right-style border-right-width border-spacing border-style border-top border-top-color"
    " border-top-style border-top-width border-width caption-side clear color direction display empty-cells font"
    " font-family font-size font-style font-variant font-weight height letter-spacing line-height list-style-type"
    " margin margin-bottom margin-left margin-right margin-top max-height max-width min-height min-width overflow-wrap"
    " padding padding-bottom padding-left padding-right padding-top table-layout text-align text-decoration"
    " text-indent text-transform vertical-align white-space width word-break word-spacing word-wrap"
)
_STYLES = frozenset(_STYLES_NAMES.split())
_LINKS = frozenset(("http", "https", "mailto", "tel"))
# Never image/svg+xml: that is a document of its own
_PICTURE = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=%\s]*+", re.IGNORECASE)
_DATA = re.compile(r"[\0- ]*+d[\t\n\r]*+a[\t\n\r]*+t[\t\n\r]*+a[\t\n\r]*+:", re.IGNORECASE)
_BACKGROUND = re.compile(r"(^|;)(\s*)background(?=\s*:)", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9A-Fa-f]{6}|[0-9A-Fa-f]{3}")
_COLOR = re.compile(r"#?[0-9A-Fa-f]{6}|#?[0-9A-Fa-f]{3}|[A-Za-z]{1,30}")
_UNSAFE_STYLE = ("url(", "\\", "expression", "@", "/*", "var(")


@dataclass(frozen=True, slots=True)
class SafeHtml:
    """A fragment to show. ``blocked_images`` were left out because they would have been fetched from elsewhere.

    What was too long ``is_cut``.
    """

    html: str
    blocked_images: int
    is_cut: bool = False


def make_safe_html(
    page: str, inline: Mapping[str, str], *, with_images: bool = False, most_written: int = MAX_WRITTEN
) -> SafeHtml:
    """What may be shown of ``page``.

    ``inline`` gives an address of ours for each ``Content-ID``. Pictures from elsewhere tell their sender who reads
    when: only ``with_images`` lets them in. About ``most_written`` characters come out.
    """
    taken = "&".join(page[:MAX_CHARACTERS].split("&", MAX_AMPERSANDS)[:MAX_AMPERSANDS])
    filter_ = _Filter(inline, with_images)
    rewriter = Rewriter(_TAGS | {"body"}, _EMPTIED, filter_.keep, most_written)
    rewritten = rewriter.rewrite(taken)
    return SafeHtml(_clean(rewritten), filter_.blocked, rewriter.is_cut or len(taken) < len(page))


class _Filter:
    """Decides about attributes, and counts the pictures that it leaves out."""

    def __init__(self, inline: Mapping[str, str], with_images: bool) -> None:
        self._inline = inline
        self._with_images = with_images
        self.blocked = 0

    def keep(self, element: str, attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """The attributes to write."""
        for name, value in (_of_body(attributes) if element == "body" else attributes).items():
            kept = self._keep(element, name, value)
            if kept is not None:
                yield name, kept

    def _keep(self, element: str, name: str, value: str) -> str | None:
        if name not in _ATTRIBUTES.get(element, ()) and name not in _EVERYWHERE:
            return None
        if name == "src":
            return self._source(value.strip())
        if name in ("href", "cite"):
            return value.strip() if value.strip().partition(":")[0].lower() in _LINKS else None
        if name == "style":
            return _safe_style(value)
        return value

    def _source(self, value: str) -> str | None:
        scheme, _, rest = value.partition(":")
        if scheme.lower() == "cid":
            return self._inline.get(unquote(rest))
        if scheme.lower() == "data":
            return value if _PICTURE.fullmatch(value) else None
        if self._with_images and scheme.lower() in ("http", "https"):
            return value
        self.blocked += 1
        return None


def _of_body(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes of a ``div`` that stands for a body: text in white is not seen without what is behind it."""
    kept = {name: attributes[name] for name in ("dir", "lang") if name in attributes}
    colors = {"background-color": attributes.get("bgcolor", ""), "color": attributes.get("text", "")}
    styles = [f"{name}:{_write_color(value)}" for name, value in colors.items() if _COLOR.fullmatch(value.strip())]
    if style := _safe_style(attributes.get("style", "")):
        styles.append(style)
    return kept | ({"style": ";".join(styles)} if styles else {})


def _write_color(value: str) -> str:
    """A colour of an attribute as one of a style, where digits need their sign."""
    digits = value.strip().removeprefix("#")
    return f"#{digits}" if _DIGITS.fullmatch(digits) else digits


def _safe_style(value: str) -> str | None:
    """A style without addresses. What is called background is mostly a colour, without which white text is not seen."""
    if any(word in value.lower() for word in _UNSAFE_STYLE):
        return None
    return _BACKGROUND.sub(r"\1\2background-color", value)


def _clean(page: str) -> str:
    """The second look, by a parser that reads as browsers do."""
    return nh3.clean(
        page,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        url_schemes=_LINKS | {"data"},
        attribute_filter=_look_again,
        url_relative="pass_through",  # the only ones are ours
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=set(_STYLES),
    )


def _look_again(element: str, attribute: str, value: str) -> str | None:
    """The value of an attribute, unless it holds anything but a picture in itself."""
    is_picture = (element, attribute) == ("img", "src") and _PICTURE.fullmatch(value)
    return None if _DATA.match(value) and attribute in ("cite", "href", "src") and not is_picture else value
