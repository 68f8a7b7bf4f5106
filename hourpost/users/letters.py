"""What is written to people about their log-in."""

from __future__ import annotations

from hourpost.rules.letters import Letter

_NOT_YOU = "If this was not you, you need not do anything: without the link nothing happens."


def confirm_sign_up(to: str, name: str, link: str) -> Letter:
    """Asks for proof that the address is theirs."""
    return Letter(
        to,
        "Confirm your email address",
        (f"Hello {name},", "one more step and your account is there: confirm that this address is yours."),
        link,
        "Confirm the address",
        ("The link works once, for 24 hours.", _NOT_YOU),
    )


def signed_up_already(to: str, link: str) -> Letter:
    """Tells who signs up twice that they need not."""
    return Letter(
        to,
        "You have an account already",
        ("Somebody, probably you, has just tried to sign up with this address. It has a log-in already.",),
        link,
        "Log in",
        ("If you have forgotten the password, the log-in page lets you choose a new one.", _NOT_YOU),
    )


def used_by_a_log_in(to: str, link: str) -> Letter:
    """Tells whose address somebody wants for another log-in."""
    return Letter(
        to,
        "Your address is in use already",
        ("Somebody, probably you, wanted to log in with this address from now on. There is another log-in with it.",),
        link,
        "Log in",
        ("To have it for the other log-in, delete this one first, or give it another address.", _NOT_YOU),
    )


def reset_password(to: str, link: str) -> Letter:
    """Lets them choose a new password."""
    return Letter(
        to,
        "Choose a new password",
        ("Somebody, probably you, has asked for a new password for this address.",),
        link,
        "Choose a new password",
        ("The link works once, for one hour.", _NOT_YOU),
    )


def password_changed(to: str) -> Letter:
    """Tells that the password is another one."""
    return Letter(
        to,
        "Your password was changed",
        (
            "The password of your log-in was just changed, and every browser was logged out.",
            "If this was not you, choose a new password at once with “Forgot the password?” on the log-in page.",
        ),
    )


def confirm_address(to: str, link: str) -> Letter:
    """Asks for proof that the new address is theirs."""
    return Letter(
        to,
        "Confirm your new email address",
        ("You want to log in with this address from now on. Confirm that it is yours.",),
        link,
        "Confirm the address",
        ("The link works once, for 24 hours. Until then the old address stays.",),
    )


def address_changed(to: str, new: str) -> Letter:
    """Tells the old address that it is not used any more."""
    return Letter(
        to,
        "Your email address was changed",
        (f"From now on you log in with {new}.", "If this was not you, tell who runs this installation at once."),
    )


def invite(to: str, account: str, inviter: str, role: str, link: str) -> Letter:
    """Offers a place in an account."""
    return Letter(
        to,
        f"Join {account} on Hourpost",
        (f"{inviter} invites you to {account}, as {role}.",),
        link,
        "Accept the invitation",
        ("The link works for seven days. If you do not know what this is about, leave it be.",),
    )


def second_factor_changed(to: str, what: str) -> Letter:
    """Tells that the way of logging in has changed."""
    return Letter(
        to,
        "Your way of logging in has changed",
        (f"Just now somebody {what} at your log-in.", "If this was not you, change your password at once."),
    )


def recovery_code_used(to: str, left: int) -> Letter:
    """Tells that somebody has logged in without the app or the passkey."""
    codes = "No code is left" if not left else "One code is left" if left == 1 else f"{left} codes are left"
    return Letter(
        to,
        "A recovery code was used",
        (
            f"Just now somebody logged in with one of your recovery codes. {codes}; “You” in the menu makes new ones.",
            "If this was not you, change your password at once.",
        ),
    )


def account_deleted(to: str, account: str, by: str) -> Letter:
    """Tells the members that their account is gone."""
    return Letter(
        to,
        f"{account} was deleted",
        (f"{by} has deleted the account {account}. Nothing is sent or received for it any more.",),
    )
