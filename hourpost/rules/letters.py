"""Our own letters to people: a few paragraphs and at most one link, as text and as plain HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail from us to one person."""

    to: str
    subject: str
    paragraphs: tuple[str, ...]
    link: str = ""
    link_words: str = ""
    after: tuple[str, ...] = ()
    """Paragraphs below the link."""

    @property
    def text(self) -> str:
        """The letter as plain text."""
        parts = [*self.paragraphs, *([self.link] if self.link else []), *self.after, "Hourpost"]
        return "\n\n".join(parts) + "\n"

    @property
    def html(self) -> str:
        """The letter as HTML that every mail program shows alike."""
        body = [_paragraph(text) for text in self.paragraphs]
        if self.link:
            body.append(_button(self.link, self.link_words or self.link))
        body += [_paragraph(text) for text in self.after]
        return _PAGE.format(subject=escape(self.subject), body="\n".join(body))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\
<title>{subject}</title></head>
<body style="margin:0;background:#f6f5f2;color:#1b1a17;font:16px/1.55 -apple-system,'Segoe UI',Roboto,sans-serif">
<div style="max-width:34rem;margin:0 auto;padding:32px 20px">
<p style="margin:0 0 20px;font-weight:600;color:#0f766e">Hourpost</p>
<div style="background:#ffffff;border:1px solid #e8e6e1;border-radius:12px;padding:28px">
{body}
</div></div></body></html>
"""


def _paragraph(text: str) -> str:
    return f'<p style="margin:0 0 16px">{escape(text)}</p>'


def _button(link: str, words: str) -> str:
    return (
        f'<p style="margin:8px 0 20px"><a href="{escape(link)}" style="display:inline-block;background:#0f766e;'
        f'color:#ffffff;text-decoration:none;border-radius:8px;padding:11px 20px;font-weight:600">'
        f"{escape(words)}</a></p>"
        f'<p style="margin:0 0 16px;font-size:13px;color:#55534c;word-break:break-all">{escape(link)}</p>'
    )
