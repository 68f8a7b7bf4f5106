"""Seals: a secret key that is not the data's is found, whatever else was sealed since."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from hourpost.database import Database
from hourpost.gateways.encryption import Cipher
from hourpost.seals import find_wrong_key
from tests.cast import CIPHER, make_account, make_domain

OURS, OTHER = "a secret of the tests, long enough", "another secret key of somebody"


async def make_domains(database: Database, *keys: str) -> None:
    account = await make_account(database)
    for key in keys:
        domain = await make_domain(database, account)
        sealed = Cipher(key).seal(b"private", "a row")
        async with database.transaction() as connection:
            statement = text("UPDATE domains SET dkim_rsa_private = :sealed WHERE id = :id")
            await connection.execute(statement, {"sealed": sealed, "id": domain.id})


@pytest.mark.parametrize(
    ("sealed_with", "cipher", "said", "is_whole"),
    [
        ([], CIPHER, None, False),
        ([OURS], CIPHER, None, False),
        ([OTHER, OURS], Cipher(OURS, [OTHER]), None, False),
        ([OTHER], CIPHER, "HOURPOST_SECRET_KEY is not the key of this database", True),
        ([OTHER, OTHER], CIPHER, "HOURPOST_SECRET_KEY is not the key of this database", True),
        ([OTHER, OURS], CIPHER, "HOURPOST_PREVIOUS_SECRET_KEYS lacks a key", False),
        ([OURS, OTHER], CIPHER, "HOURPOST_PREVIOUS_SECRET_KEYS lacks a key", False),
    ],
)
async def test_a_key_that_opens_not_all_of_what_is_stored_is_told(
    fresh_database: Database, sealed_with: list[str], cipher: Cipher, said: str | None, is_whole: bool
) -> None:
    await make_domains(fresh_database, *sealed_with)
    wrong = await find_wrong_key(fresh_database, cipher)
    assert (wrong is not None and wrong.words.startswith(said)) if said else wrong is None
    assert (wrong is not None and wrong.is_whole) == is_whole


async def test_nothing_is_sealed_where_there_are_no_tables(fresh_database: Database) -> None:
    async with fresh_database.transaction() as connection:
        await connection.execute(text("DROP TABLE webhooks, domains CASCADE"))
    assert await find_wrong_key(fresh_database, CIPHER) is None
