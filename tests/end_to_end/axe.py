"""axe-core, which searches a page for what keeps people out."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page as Tab

from tests.end_to_end.browsing import AXE

SERIOUS = ("serious", "critical")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What is in order is not told of: that takes longer than to find it.
RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(found => found.violations)"


def faults_of(tab: Tab) -> list[str]:
    """What axe-core says, in a line each."""
    if not tab.evaluate("() => Boolean(window.axe)"):
        tab.evaluate(AXE.read_text())  # the page's policy would not let a script of ours in
    found: Any = tab.evaluate(RUN, RULES)
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]
