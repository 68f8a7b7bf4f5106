"""Plan and usage: buying, changing, canceling, on a Stripe of our own; and for nothing where there is no Stripe."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost.accounts.changes import set_plan
from hourpost.accounts.queries import get_account
from hourpost.billing.changes import overrule, write_entitlement
from hourpost.billing.lapse import end_lapsed
from hourpost.billing.queries import get_entitlement
from hourpost.database import Database
from hourpost.rules.subscriptions import NOTHING, Entitlement
from hourpost.settings import Settings
from tests.api.web.dashboard.matrix import BILLERS, MEMBERS
from tests.api.web.dashboard.people import Cast, Surfer, make_cast, text_of
from tests.api.web.running import RunningWeb
from tests.fakes.stripe_server import KEY, FakeStripe, run_fake_stripe


@pytest.fixture(scope="module")
def stripe() -> Iterator[FakeStripe]:
    with run_fake_stripe() as running:
        yield running


@pytest.fixture(scope="module")
def shop(
    assets: None, stripe: FakeStripe, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWeb]:
    """A site where plans cost money."""
    running = RunningWeb(
        Settings(
            _env_file=None,
            home=tmp_path_factory.mktemp("home"),
            database_url=database_url,
            redis_url=redis_url,
            secret_key="a secret of the tests, long enough",
            stripe_secret_key=KEY,
            stripe_api_url=stripe.base,
            embedded=True,
            log_level="error",
        )
    )
    yield running
    running.stop()


@pytest_asyncio.fixture
async def buyers(shop: RunningWeb, database: Database) -> AsyncIterator[Cast]:
    made = await make_cast(database, shop.url, None)
    yield made
    made.close()


def nonce_in(page: str) -> str:
    found = re.search(r'name="nonce" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def buy(surfer: Surfer, stripe: FakeStripe, plan: str = "path") -> str:
    """Pay at Stripe, come back, and give what the page then says."""
    nonce = nonce_in(surfer.get("/app/plan").text)
    answer = surfer.post("/app/plan/checkout", {"to": plan, "nonce": nonce})
    assert answer.status_code == 303, answer.text
    back = stripe.pay(answer.headers["location"])
    return text_of(surfer.follow(surfer.get(local(back))))


def cancel(surfer: Surfer) -> httpx.Response:
    """Press the button of the page as it stands."""
    found = re.search(r'name="at_once" value="([^"]*)"', surfer.get("/app/plan").text)
    assert found is not None
    return surfer.post("/app/plan/cancel", {"at_once": found[1]})


def local(address: str) -> str:
    """The part of an address below our origin."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


async def plan_of(database: Database, cast: Cast) -> str | None:
    async with database.reading() as connection:
        return (await get_account(connection, cast.account.id)).plan


async def test_a_first_plan_is_paid_at_stripe_and_counts_when_one_comes_back(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    assert "Choose a plan" in text_of(owner.get("/app/plan"))
    page = buy(owner, stripe, "normal")
    assert "Welcome to Normal" in page
    assert "1,500 emails" in page
    assert "$145" in page
    assert await plan_of(database, buyers) == "normal"
    assert re.search(r"HP-\d{4} .*Paid \$145", page)


async def test_an_upgrade_shows_its_price_before_and_a_downgrade_when_it_begins(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["billing"]
    buy(owner, stripe, "normal")
    shown = owner.get("/app/plan/change?to=skilled")
    assert "Pay $80 and upgrade" in shown.text
    assert "Unused time on" in shown.text
    moment = re.search(r'name="at" value="(\d+)"', shown.text)
    assert moment is not None
    page = text_of(owner.follow(owner.post("/app/plan/change", {"to": "skilled", "at": moment[1]})))
    assert "Your plan is Skilled now" in page
    assert await plan_of(database, buyers) == "skilled"
    assert "Nothing is charged today" in owner.get("/app/plan/change?to=path").text
    page = text_of(owner.follow(owner.post("/app/plan/change", {"to": "path"})))
    assert "Path begins when the paid time ends" in page
    assert "Stay with Skilled" in page
    assert await plan_of(database, buyers) == "skilled"
    page = text_of(owner.follow(owner.post("/app/plan/change", {"to": "skilled"})))
    assert "You stay with Skilled" in page


async def test_a_limit_of_its_own_is_named_before_anything_is_charged(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe, "normal")
    async with database.transaction() as connection:
        await set_plan(connection, buyers.account.id, "premium", 4000)
    assert "an hourly limit of its own, 4,000 emails" in text_of(owner.get("/app/plan"))
    page = text_of(owner.get("/app/plan/change?to=skilled"))
    assert "Premium: 4,000 emails in any 60 minutes, the limit of your own" in page
    assert "Normal is what you pay for" in page
    assert "Skilled: 4,000 emails in any 60 minutes, the limit of your own" in page
    assert "in place of the 5,000 of the plan, whatever you pay for" in page


async def test_who_pays_an_earlier_price_sees_it_everywhere(buyers: Cast, stripe: FakeStripe) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    earlier = stripe.api.create_price({"product": "hourpost_path", "unit_amount": "4000", "lookup_key": None})
    earlier["metadata"] = {"hourpost_plan": "path"}
    stripe.subscription()["items"]["data"][0]["price"] = earlier["id"]
    owner.get("/app/plan/return")
    page = text_of(owner.get("/app/plan"))
    assert "Yours $40 a month" in page
    assert "From then on $40 a month" in text_of(owner.get("/app/plan/change?to=path"))


async def test_what_is_paid_and_belongs_to_no_plan_is_told_and_can_be_canceled(
    buyers: Cast, stripe: FakeStripe
) -> None:
    owner = buyers["owner"]
    owner.post("/app/plan/checkout", {"to": "path", "nonce": nonce_in(owner.get("/app/plan").text)})
    customer = stripe.state.all("checkout.session")[0]["customer"]
    strange = stripe.api.create_price({"product": "x", "lookup_key": None, "unit_amount": "7700"})
    stripe.state.subscribe(customer, strange["id"])
    owner.get("/app/plan/return")
    page = text_of(owner.get("/app/plan"))
    for words in ("A subscription is paid that belongs to no plan", "It costs $77", "Cancel the plan"):
        assert words in page
    for words in ("Downgrade", "Upgrade", "Pay the open invoice", "Your mail goes on leaving"):
        assert words not in page
    page = text_of(owner.follow(cancel(owner)))
    assert "nothing is charged any more. Resume the plan" in page
    assert "it can be canceled" not in page
    assert stripe.subscription()["cancel_at_period_end"] is True


async def test_a_subscription_that_is_paused_is_told_and_can_be_canceled(buyers: Cast, stripe: FakeStripe) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    stripe.subscription()["status"] = "paused"
    owner.get("/app/plan/return")
    page = text_of(owner.get("/app/plan"))
    assert "Your subscription is paused" in page
    for words in ("Downgrade", "open invoice", "Your plan has ended What waits"):
        assert words not in page
    assert "is paused: write to support" in text_of(owner.follow(owner.get("/app/plan/change?to=skilled")))
    assert "nothing is charged any more" in text_of(owner.follow(cancel(owner)))
    assert "Choose Path" in text_of(owner.get("/app/plan"))


async def test_two_subscriptions_that_are_charged_are_told(buyers: Cast, stripe: FakeStripe) -> None:
    owner = buyers["owner"]
    buy(owner, stripe, "premium")
    stripe.state.subscribe(stripe.subscription()["customer"], stripe.price("path"))
    owner.get("/app/plan/return")
    page = text_of(owner.get("/app/plan"))
    assert "More than one subscription is charged Premium at $185, Path at $50. Only one of them counts." in page
    cancel(owner)
    assert "More than one" not in text_of(owner.get("/app/plan"))


async def test_of_two_subscriptions_the_one_that_is_left_can_be_canceled(buyers: Cast, stripe: FakeStripe) -> None:
    owner = buyers["owner"]
    buy(owner, stripe, "premium")
    canceled = stripe.subscription()
    stripe.state.subscribe(canceled["customer"], stripe.price("path"))
    canceled |= {"cancel_at_period_end": True, "cancel_at": canceled["items"]["data"][0]["current_period_end"]}
    owner.get("/app/plan/return")
    page = text_of(owner.get("/app/plan"))
    assert "A subscription is charged beside the one that was canceled Path at $50." in page
    cancel(owner)
    assert "is charged beside" not in text_of(owner.get("/app/plan"))
    mine = stripe.state.all("subscription", customer=canceled["customer"])
    assert [one["cancel_at_period_end"] for one in mine] == [True, True]


async def test_of_two_subscriptions_that_stand_otherwise_is_told_how_each_ends(
    buyers: Cast, stripe: FakeStripe
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    stripe.state.subscribe(stripe.subscription()["customer"], stripe.price("premium"), status="past_due")
    owner.get("/app/plan/return")
    page = text_of(owner.get("/app/plan"))
    assert "Canceling keeps what is paid for until" in page
    assert "What is not paid ends at once." in page
    assert "What is paid for goes on until the paid time ends." in text_of(owner.follow(cancel(owner)))


@pytest.mark.parametrize("is_paid_first", [True, False])
async def test_a_page_that_is_behind_cancels_nothing(buyers: Cast, stripe: FakeStripe, is_paid_first: bool) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    statuses = ("active", "past_due") if is_paid_first else ("past_due", "active")
    stripe.subscription()["status"] = statuses[0]
    owner.get("/app/plan/return")
    shown = re.search(r'name="at_once" value="([^"]*)"', owner.get("/app/plan").text)
    assert shown is not None
    stripe.subscription()["status"] = statuses[1]
    page = text_of(owner.follow(owner.post("/app/plan/cancel", {"at_once": shown[1]})))
    assert "nothing was canceled: please look at it again" in page
    assert ("Cancel now" in page) == is_paid_first
    assert (stripe.subscription()["status"], stripe.subscription()["cancel_at_period_end"]) == (statuses[1], False)


async def give(database: Database, cast: Cast, plan: str | None) -> None:
    """As an operator does."""
    async with database.transaction() as connection:
        await overrule(connection, cast.account.id, datetime.now(UTC))
        await set_plan(connection, cast.account.id, plan)


@pytest.mark.parametrize("given", [None, "path"])
async def test_who_pays_for_a_plan_and_has_another_can_have_it_back(
    buyers: Cast, stripe: FakeStripe, database: Database, given: str | None
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe, "premium")
    await give(database, buyers, given)
    page = text_of(owner.get("/app/plan"))
    assert "Have what you pay for" in page
    assert "Downgrade to Path" in page or given == "path"
    assert ("You pay for Premium and do not have it" in page) == (given is None)
    owner.post("/app/plan/change", {"to": "premium"})
    assert await plan_of(database, buyers) == "premium"
    assert "Have what you pay for" not in text_of(owner.get("/app/plan"))


async def test_a_plan_that_was_given_is_said_to_stay_when_what_is_paid_for_ends(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    cancel(owner)
    await give(database, buyers, "premium")
    page = text_of(owner.get("/app/plan"))
    assert "Your plan was given to you, and stays" in page
    assert "new mail is turned away" not in page


async def test_a_plan_that_was_given_after_the_grace_is_said_to_stay_without_payment(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    stripe.state.bill(stripe.subscription(), [(5000, "1 × plan")], paid=False)
    stripe.subscription()["status"] = "past_due"
    owner.get("/app/plan/return")
    async with database.transaction() as connection:
        long_ago = "ends_at = now(), past_due_at = now() - interval '8 days'"
        update = text(f"UPDATE entitlements SET {long_ago} WHERE account_id = :account")
        await connection.execute(update, {"account": buyers.account.id})
        await end_lapsed(connection, datetime.now(UTC))
    await give(database, buyers, "premium")
    page = text_of(owner.get("/app/plan"))
    assert "Your plan was given to you, and stays" in page
    for words in ("Leaves until", "Payment failed", "leaves by itself", "The plan ends now"):
        assert words not in page
    assert "The subscription is canceled. It has ended" in text_of(owner.follow(cancel(owner)))
    assert await plan_of(database, buyers) == "premium"


async def test_an_upgrade_whose_payment_waits_for_the_bank_says_so(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    stripe.state.cards[stripe.subscription()["customer"]] = "authenticate"
    at = str(int(datetime.now(UTC).timestamp()))
    page = owner.follow(owner.post("/app/plan/change", {"to": "premium", "at": at}))
    assert "Premium begins as soon as its payment is confirmed" in text_of(page)
    link = re.search(rf'href="({stripe.base}/pages/invoice/[^"]+)"', page.text)
    assert link is not None
    stripe.confirm(link[1])
    owner.get("/app/plan/return")
    assert await plan_of(database, buyers) == "premium"


async def test_what_was_chosen_to_follow_is_still_there_while_an_upgrade_waits_for_its_payment(
    buyers: Cast, stripe: FakeStripe
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe, "premium")
    owner.post("/app/plan/change", {"to": "path"})
    assert "Path, which you chose to follow; it still does until this is paid" in text_of(
        owner.get("/app/plan/change?to=skilled")
    )
    stripe.state.cards[stripe.subscription()["customer"]] = "declined"
    at = str(int(datetime.now(UTC).timestamp()))
    page = text_of(owner.follow(owner.post("/app/plan/change", {"to": "skilled", "at": at})))
    assert "Skilled waits for its payment" in page
    assert "Stay with Premium" in page


async def test_an_upgrade_that_waits_for_its_payment_is_taken_back(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    stripe.state.cards[stripe.subscription()["customer"]] = "declined"
    at = str(int(datetime.now(UTC).timestamp()))
    page = owner.follow(owner.post("/app/plan/change", {"to": "premium", "at": at}))
    assert "Take it back" in page.text
    assert "The change to Premium, which waits for its payment, is taken back." in text_of(page)
    link = re.search(rf'href="({stripe.base}/pages/invoice/[^"]+)"', page.text)
    assert link is not None
    assert "/app/plan/take-back" not in buyers["viewer"].get("/app/plan").text
    page = owner.follow(owner.post("/app/plan/take-back"))
    assert "nothing was charged" in text_of(page)
    assert "waits for its payment" not in text_of(page)
    stripe.confirm(link[1])  # in a tab that was left open
    owner.get("/app/plan/return")
    assert await plan_of(database, buyers) == "path"
    assert "nothing left to take back" in text_of(owner.follow(owner.post("/app/plan/take-back")))


async def test_a_checkout_that_was_left_is_gone_on_with_or_taken_back(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    opened = owner.post("/app/plan/checkout", {"to": "premium", "nonce": nonce_in(owner.get("/app/plan").text)})
    page = owner.get("/app/plan").text
    assert "Premium is chosen and not paid yet" in page
    assert f'href="{opened.headers["location"]}"' in page
    assert opened.headers["location"] not in buyers["viewer"].get("/app/plan").text
    assert "nothing was charged" in text_of(owner.follow(owner.post("/app/plan/take-back")))
    assert "not paid yet" not in owner.get("/app/plan").text
    assert stripe.state.all("checkout.session")[0]["status"] == "expired"  # also in a tab that was left open
    assert "Welcome to Normal" in buy(owner, stripe, "normal")


async def test_a_checkout_that_was_paid_just_before_is_not_taken_back(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    opened = owner.post("/app/plan/checkout", {"to": "path", "nonce": nonce_in(owner.get("/app/plan").text)})
    stripe.pay(opened.headers["location"])  # and its webhook is on its way
    page = text_of(owner.follow(owner.post("/app/plan/take-back")))
    assert "nothing left to take back" in page
    assert await plan_of(database, buyers) == "path"
    cancel(owner)
    assert "not paid yet" not in owner.get("/app/plan").text


async def test_a_plan_is_canceled_and_resumed(buyers: Cast, stripe: FakeStripe) -> None:
    owner = buyers["admin"]
    buy(owner, stripe)
    page = text_of(owner.follow(cancel(owner)))
    assert "Resume the plan" in page
    assert "Resume your plan first to change it" in page
    refused = owner.follow(owner.get("/app/plan/change?to=skilled"))
    assert "resume it first" in text_of(refused)
    assert "The plan goes on" in text_of(owner.follow(owner.post("/app/plan/resume")))


@pytest.mark.parametrize(("status", "is_over"), [("past_due", False), ("past_due", True), ("unpaid", True)])
async def test_who_cancels_a_plan_that_is_not_paid_is_told_that_it_ends_at_once(
    buyers: Cast, stripe: FakeStripe, database: Database, status: str, is_over: bool
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    stripe.state.bill(stripe.subscription(), [(5000, "1 × plan")], paid=False)
    stripe.subscription()["status"] = status
    owner.get("/app/plan/return")
    if is_over:
        async with database.transaction() as connection:
            update = text("UPDATE entitlements SET ends_at = now() WHERE account_id = :account")
            await connection.execute(update, {"account": buyers.account.id})
            await end_lapsed(connection, datetime.now(UTC))
    page = text_of(owner.get("/app/plan"))
    assert ("goes on leaving until" in page) == (not is_over)
    assert "An invoice is open" in page
    assert "Cancel now: nothing is charged any more" in page
    for promise in ("the open invoice stays", "everything works as before", "end of the paid time", "Resume", "Ends"):
        assert promise not in page
    page = text_of(owner.follow(cancel(owner)))
    assert "It has ended, and nothing is charged any more" in page
    assert "Choose Path" in page
    for promise in ("goes on", "An invoice is open", "Resume", "Cancel"):
        assert promise not in page
    assert await plan_of(database, buyers) is None


async def test_canceling_and_resuming_say_that_the_plan_chosen_to_follow_is_kept(
    buyers: Cast, stripe: FakeStripe
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe, "premium")
    owner.post("/app/plan/change", {"to": "path"})
    assert "You can resume until the paid time ends, and Path then follows as you chose." in text_of(
        owner.get("/app/plan")
    )
    cancel(owner)
    page = text_of(owner.follow(owner.post("/app/plan/resume")))
    assert "The plan goes on. Path begins at $50 a month when the paid time ends, as you chose before." in page
    assert "Stay with Premium" in page


async def test_a_failed_payment_is_on_every_page_until_it_is_paid(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    until = datetime.now(UTC) + timedelta(days=5)
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE entitlements SET status = 'past_due', ends_at = :until WHERE account_id = :account"),
            {"until": until, "account": buyers.account.id},
        )
    for who in ("owner", "viewer"):
        page = buyers[who].get("/app/account").text
        assert "A payment has failed" in page
        assert ('href="/app/plan">See to it' in page) == (who == "owner")
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE accounts SET plan = NULL, lapsed_at = now() WHERE id = :account"),
            {"account": buyers.account.id},
        )
    assert "Your plan has ended" in buyers["viewer"].get("/app").text
    async with database.transaction() as connection:
        for table in ("entitlements", "subscriptions"):
            await connection.execute(
                text(f"UPDATE {table} SET status = 'unpaid' WHERE account_id = :account"),
                {"account": buyers.account.id},
            )
    assert "Cancel now" in owner.get("/app/plan").text  # as the letter of it says


async def test_while_stripe_is_away_the_page_works_and_a_change_is_not_half_made(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    stripe.is_down = True
    try:
        assert owner.get("/app/plan").status_code == 200
        page = text_of(owner.follow(owner.get("/app/plan/change?to=skilled")))
        assert "Stripe does not answer at the moment" in page
    finally:
        stripe.is_down = False
    assert await plan_of(database, buyers) == "path"


async def test_only_who_may_bill_pays_changes_or_cancels(buyers: Cast, stripe: FakeStripe) -> None:
    buy(buyers["owner"], stripe)
    for who in set(MEMBERS) - set(BILLERS):
        for path in ("checkout", "portal", "change", "cancel", "resume", "take-back"):
            assert buyers[who].post(f"/app/plan/{path}", {"to": "skilled"}).status_code == 403
        assert buyers[who].get("/app/plan/change?to=skilled").status_code == 403
        assert buyers[who].get("/app/plan/return").status_code == 403
        page = buyers[who].get("/app/plan").text
        assert "HP-0" not in page
        assert "/app/plan/portal" not in page
    for who in BILLERS:
        answer = buyers[who].post("/app/plan/portal")
        assert answer.headers["location"].startswith(f"{stripe.base}/pages/portal/")


async def test_a_stranger_neither_sees_nor_takes_over_a_checkout(
    buyers: Cast, stripe: FakeStripe, database: Database
) -> None:
    owner, stranger = buyers["owner"], buyers["stranger"]
    nonce = nonce_in(owner.get("/app/plan").text)
    back = stripe.pay(owner.post("/app/plan/checkout", {"to": "path", "nonce": nonce}).headers["location"])
    buy(stranger, stripe, "skilled")
    path = local(back)
    assert stranger.get(path).status_code == 404
    assert "HP-" in owner.follow(owner.get(path)).text
    assert await plan_of(database, buyers) == "path"


def test_a_plan_of_nobody_is_not_found(buyers: Cast) -> None:
    owner = buyers["owner"]
    assert owner.get("/app/plan/change?to=gold").status_code == 404
    assert owner.post("/app/plan/checkout", {"to": "gold"}).status_code == 404
    assert owner.post("/app/plan/cancel").status_code == 303  # to the page, which says that there is nothing yet


async def test_without_stripe_plans_are_switched_for_nothing_and_the_page_says_so(
    cast: Cast, database: Database
) -> None:
    owner = cast["owner"]
    paid = Entitlement("path", "active", datetime.now(UTC), "sub_1")  # when there was a Stripe here
    async with database.transaction() as connection:
        await write_entitlement(connection, cast.account.id, NOTHING, paid, datetime.now(UTC))
    assert "takes no money" in text_of(owner.get("/app/plan"))
    page = text_of(owner.follow(owner.post("/app/plan/change", {"to": "skilled"})))
    assert "Your plan is Skilled now" in page
    async with database.transaction() as connection:
        await end_lapsed(connection, datetime.now(UTC))
    assert await plan_of(database, cast) == "skilled"
    for path in ("checkout", "portal", "cancel", "resume"):
        assert owner.post(f"/app/plan/{path}", {"to": "path"}).status_code == 404
    assert owner.get("/app/plan/return").status_code == 404


async def test_a_plan_that_is_switched_and_one_that_ends_at_the_same_time_do_not_block_each_other(
    cast: Cast, database: Database
) -> None:
    paid = Entitlement("path", "active", datetime.now(UTC), "sub_1")
    async with database.transaction() as connection:
        await write_entitlement(connection, cast.account.id, NOTHING, paid, datetime.now(UTC))
    async with database.transaction() as connection:
        before = await get_entitlement(connection, cast.account.id, lock=True)
        switching = asyncio.create_task(asyncio.to_thread(cast["owner"].post, "/app/plan/change", {"to": "skilled"}))
        await asyncio.sleep(0.5)
        after = replace(before, plan=None, ends_at=None, status="canceled")
        await write_entitlement(connection, cast.account.id, before, after, datetime.now(UTC))
    assert (await switching).status_code == 303
    assert await plan_of(database, cast) == "skilled"


async def test_the_busiest_hours_are_drawn_and_told(cast: Cast, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO hour_peaks (account_id, day, used, hourly_limit, at)"
                " VALUES (:account, current_date - 2, 640, 1000, now() - interval '2 days')"
            ),
            {"account": cast.account.id},
        )
    page = cast["viewer"].get("/app/plan")
    assert "64%" in page.text
    assert '"Busiest hour"' in page.text
    assert "64%" not in cast["stranger"].get("/app/plan").text  # 640 may stand in an address that was made up


async def test_a_deleted_account_is_charged_no_more(buyers: Cast, stripe: FakeStripe, database: Database) -> None:
    owner = buyers["owner"]
    buy(owner, stripe)
    assert "Your plan ends at once" in text_of(owner.get("/app/account/delete"))
    stripe.is_down = True
    try:
        refused = owner.post("/app/account/delete", {"name": buyers.account.name})
        assert refused.status_code == 422
        assert "Stripe does not answer" in text_of(refused)
    finally:
        stripe.is_down = False
    assert owner.post("/app/account/delete", {"name": buyers.account.name}).status_code == 303
    assert stripe.subscription()["status"] == "canceled"
    assert await plan_of(database, buyers) is None
