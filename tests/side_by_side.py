"""How the tests are shared among processes, where pytest is asked for several (``-n 4``, as ``make test`` does).

A file stays in one process, for its fixtures are dear; so do all files that look at one whole service by a browser.
What takes longest begins first, so that no process is left alone with it at the end.
"""

from __future__ import annotations

import gc

import pytest
from xdist.scheduler import LoadScopeScheduling

_BROWSING = (
    "accessibility",
    "by_the_keys",
    "hostile_html",
    "logging_in",
    "mail_in_the_browser",
    "searching",
    "snippets",
    "without_a_script",
)
_TOGETHER = {f"tests/end_to_end/test_{name}.py": "browsing" for name in _BROWSING}
_LONGEST = (
    "browsing",
    "tests/end_to_end/test_the_whole_way.py",
    "tests/end_to_end/test_drill.py",
    "tests/end_to_end/test_fleet.py",
    "tests/embedded/test_up.py",
    "tests/api/web/test_schemathesis.py",
    "tests/api/web/test_access.py",
    "tests/flow/test_hour_in_rows.py",
    "tests/workers/test_worker_process.py",
    "tests/workers/test_schedule.py",
    "tests/billing/test_renewals.py",
    "tests/flow/test_frozen.py",
    "tests/cli/test_ending.py",
    "tests/rules/mail/test_hostile.py",
    "tests/gateways/test_hour_model.py",
    "tests/mailboxes/test_concurrency.py",
    "tests/api/imap/test_beside_dovecot.py",
    "tests/gateways/test_relay_pool.py",
)
_RANKS = {scope: rank for rank, scope in enumerate(_LONGEST)}


class ByFile(LoadScopeScheduling):
    """Gives a process that is free the next file."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Called where the tests are handed out."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Called in each process, which must all come to the same order."""
    assert len({item.nodeid for item in items}) == len(items), "of tests that share an id xdist runs one alone"
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _RANKS.get(_scope_of(item.nodeid), len(_RANKS)))


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not look at it again and again, nor a fork copy it."""
    gc.collect()
    gc.freeze()


def _scope_of(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return _TOGETHER.get(file, file)
