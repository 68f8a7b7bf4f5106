"""Templates: one environment for all pages, and what each of them is given."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Macro
from jinja2_fragments import render_block

from api.web.dashboard.filters import FILTERS
from api.web.dashboard.icons import icon
from api.web.dashboard.mail.letters import FILTERS as LETTERS
from api.web.dashboard.snippets import mail_host
from api.web.dashboard.states import STATES, meaning_of
from api.web.dashboard.statics import address_of
from hourpost.rules.plans import PLANS
from hourpost.rules.roles import WORDS, May, Role, is_allowed

PARTS = ("frame", "forms", "bits", "meter", "plans", "emails", "secrets", "webhooks", "mail", "outgoing")
"""Files of macros that every template and every fragment calls by their names, without an import."""


@cache
def environment() -> Environment:
    """The environment: everything is escaped, and a name that nobody gave is an error."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
    )
    made.filters.update(FILTERS | LETTERS)
    made.globals.update(
        asset=address_of,
        icon=icon,
        is_allowed=is_allowed,
        mail_host=mail_host,
        May=May,
        Role=Role,
        PLANS=PLANS,
        ROLE_WORDS=WORDS,
        STATES=STATES,
        meaning_of=meaning_of,
    )
    for part in PARTS:
        module = made.get_template(f"parts/{part}.html").module
        made.globals.update({name: macro for name, macro in vars(module).items() if isinstance(macro, Macro)})
    return made


def render(template: str, block: str | None, context: dict[str, Any]) -> str:
    """A page, or one block of it."""
    if block is not None:
        return render_block(environment(), template, block, **context)
    return environment().get_template(template).render(context)
