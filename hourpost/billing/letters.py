"""What is written to people about what is paid."""

from __future__ import annotations

from hourpost.billing.notices import Unmailed
from hourpost.rules.letters import Letter


def write_letters(notice: Unmailed, plan_url: str) -> list[Letter]:
    """The letter of a notice to each of those who see to the account's plan."""
    name = notice.account_name
    subject, paragraphs, words, after = {
        "past_due": (
            "A payment for Hourpost has failed",
            (f"The payment for the plan of {name} did not go through.", _grace(notice)),
            "See to the payment",
            ("It may be enough to change the card: the payment is tried again by itself.",),
        ),
        "ended": (
            "Your Hourpost plan has ended",
            (
                f"The plan of {name} is not paid for any more.",
                "What waits is kept, and leaves by itself as soon as there is a plan again. New mail is turned away"
                " until then, with an answer that asks to try again.",
            ),
            "Choose a plan",
            (),
        ),
        "still_unpaid": (
            "Your Hourpost plan is still not paid for",
            (
                f"Nothing was paid for the plan of {name} since it has ended, so its mail still waits.",
                "What waits is kept, and leaves by itself as soon as the payment has gone through.",
            ),
            "See to the payment",
            (
                "If you do not want the plan any more, cancel it on the same page: nothing is charged any more, and"
                " we write no further.",
            ),
        ),
        "unpaid_change": (
            "Your new Hourpost plan waits for its payment",
            (
                f"The change of plan for {name} begins when its payment is confirmed.",
                "The card was declined, or your bank wants to hear from you first. Until then the plan stays as it is.",
            ),
            "Confirm the payment",
            (),
        ),
    }[notice.kind]
    return [Letter(to, subject, paragraphs, plan_url, words, after) for to in notice.recipients]


def _grace(notice: Unmailed) -> str:
    if notice.ends_at is None:
        return "Until it is paid what waits is kept, and nothing is lost."
    until = f"{notice.ends_at:%d %B %Y, %H:%M} UTC"
    return f"Your mail goes on leaving until {until}. After that it waits, and nothing is lost."
