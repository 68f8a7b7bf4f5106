"""Whatever is sent along the document, or beside it, is answered along the document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio
import requests
from hypothesis import HealthCheck, Phase, settings

from api.web.app import build_app
from hourpost.database import Database
from hourpost.settings import Settings
from tests.api.web.running import RunningWeb
from tests.cast import make_account, make_domain, make_key

SETTINGS = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

# The document is the same whatever the application stands on.
document = build_app(Settings(_env_file=None), None).openapi()  # type: ignore[arg-type]
OPERATIONS = [(method.upper(), path) for path, found in document["paths"].items() for method in found]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def key(database: Database) -> str:
    account = await make_account(database, "skilled")
    await make_domain(database, account)
    return (await make_key(database, account)).secret


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as kept:
        kept.trust_env = False
        yield kept


@pytest.fixture(scope="module")
def schema() -> Any:
    import schemathesis  # here, for it takes seconds, and each process that shares the tests reads this file

    return schemathesis.openapi.from_dict(document)


def has_a_body(ctx: Any, response: Any, case: Any) -> None:
    assert response.status_code != 204
    assert response.content


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(one) for one in OPERATIONS])
def test_answers_keep_to_the_document(
    method: str, path: str, schema: Any, web: RunningWeb, key: str, session: requests.Session
) -> None:
    """Built here and not by ``schema.parametrize()``, whose tests share one id, of which xdist runs one alone."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.generation.feedback import FeedbackSources
    from schemathesis.pytest._test_builder import build_operation_test
    from schemathesis.specs.openapi import checks

    kept = [not_a_server_error, has_a_body, checks.status_code_conformance]
    kept += [checks.content_type_conformance, checks.response_schema_conformance]
    asked = 0

    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate(
            base_url=web.url, session=session, headers={"Authorization": f"Bearer {key}"}, checks=kept
        )

    operation = schema[path][method]
    build_operation_test(
        config=schema.config,
        operation=operation,
        test_func=SETTINGS(ask),
        given_kwargs={},
        feedback=FeedbackSources(),
    )()
    assert asked
