"""Whatever is sent along the document, or beside it, is answered along the document."""

from __future__ import annotations

from typing import Any

import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.web.app import build_app
from hourpost.database import Database
from hourpost.settings import Settings
from tests.api.web.running import RunningWeb
from tests.cast import make_account, make_domain, make_key

EXAMPLES = 8

# The document is the same whatever the application stands on.
document = build_app(Settings(_env_file=None), None).openapi()  # type: ignore[arg-type]
schema = schemathesis.openapi.from_dict(document)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def key(database: Database) -> str:
    account = await make_account(database, "skilled")
    await make_domain(database, account)
    return (await make_key(database, account)).secret


def has_a_body(ctx: Any, response: Any, case: Any) -> None:
    assert response.status_code != 204
    assert response.content


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_keep_to_the_document(case: Any, web: RunningWeb, key: str) -> None:
    case.call_and_validate(
        base_url=web.url,
        headers={"Authorization": f"Bearer {key}"},
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
            has_a_body,
        ],
    )
