"""Command lines as they are written: a verb, a path, parameters (RFC 5321 §4.1, 1870, 3461, 3030, 4954, 6531)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.smtp.dsn import (
    NO_MAIL_OPTIONS,
    NO_RECIPIENT_OPTIONS,
    MailOptions,
    RecipientOptions,
    read_envid,
    read_notify,
    read_orcpt,
    read_ret,
    read_xtext,
)
from api.smtp.limits import MAX_COMMAND_BYTES
from api.smtp.replies import BARE_LINE_END, Refusal, refuse
from hourpost.rules.addresses import Address, AddressError, parse_path, parse_sender, split_path

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_NUMBER = re.compile(r"[0-9]{1,20}")
_CLIENT_NAME = re.compile(r"[!-~\x80-\U0010ffff]{1,255}")
# A browser that was tricked into talking to us (RFC 5321 §7 has no word for it)
_NOT_SMTP = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"})


@dataclass(frozen=True, slots=True)
class Command:
    """One command line: the verb in upper case, and what stands behind the first space."""

    verb: str
    argument: str


@dataclass(frozen=True, slots=True)
class MailRequest:
    """MAIL FROM: ``sender`` None is the null sender; ``size_bytes`` is what the client announces."""

    sender: Address | None
    size_bytes: int = 0
    body: str | None = None
    smtputf8: bool = False
    options: MailOptions = NO_MAIL_OPTIONS


@dataclass(frozen=True, slots=True)
class RecipientRequest:
    """RCPT TO."""

    address: Address
    options: RecipientOptions = NO_RECIPIENT_OPTIONS


def parse_command(line: bytes) -> Command:
    """Split a line that came without its CRLF. Raises: Refusal."""
    if b"\r" in line or b"\n" in line:
        raise Refusal(BARE_LINE_END)
    if len(line) > MAX_COMMAND_BYTES and line[:5].upper() != b"AUTH ":
        raise refuse(500, "5.5.2", f"a command line has at most {MAX_COMMAND_BYTES} bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(500, "5.5.2", "the command line is not valid UTF-8") from None
    if not text.isprintable() and not text.replace("\t", " ").isprintable():
        raise refuse(500, "5.5.2", "the command line holds a control character")
    verb, _, argument = text.partition(" ")
    verb = verb.upper()
    if verb in _NOT_SMTP:
        raise refuse(421, "4.7.0", "this is a mail server", ends=True)
    return Command(verb, argument.strip(" \t"))


def parse_client_name(argument: str) -> str:
    """The name after EHLO or HELO. Raises: Refusal."""
    if _CLIENT_NAME.fullmatch(argument) is None:
        raise refuse(501, "5.5.4", "say EHLO with the name of your host")
    return argument


def parse_mail(argument: str, *, is_from_outside: bool = False) -> MailRequest:
    """What stands behind ``MAIL ``; servers of others may write addresses that we would not. Raises: Refusal."""
    path, words = _split_path(argument, "FROM")
    try:
        sender = parse_sender(path) if is_from_outside else parse_path(path)
    except AddressError as error:
        raise refuse(553, "5.1.7", str(error)) from error
    request = MailRequest(sender) if not words else _read_mail_parameters(sender, words)
    if sender is not None and sender.needs_smtputf8 and not request.smtputf8:
        raise refuse(553, "5.6.7", "an address that is not ASCII needs the parameter SMTPUTF8")
    return request


def parse_recipient(
    argument: str, *, smtputf8: bool, hostname: str = "", is_from_outside: bool = False
) -> RecipientRequest:
    """What stands behind ``RCPT ``; the postmaster alone is that of ``hostname`` (RFC 5321 §4.5.1). Raises: Refusal.

    From outside that one is let pass also where ``hostname`` is no domain that one could write to, such as localhost.
    """
    path, words = _split_path(argument, "TO")
    postmaster = f"<postmaster@{hostname}>".lower()
    if hostname and path.lower() == "<postmaster>":
        path = postmaster
    try:
        is_ours = is_from_outside and path.lower() == postmaster
        address = Address("", "postmaster", hostname.lower()) if is_ours else parse_path(path)
    except AddressError as error:
        raise refuse(553, "5.1.3", str(error)) from error
    if address is None:
        raise refuse(553, "5.1.3", "<> is no recipient")
    if address.needs_smtputf8 and not smtputf8:
        raise refuse(553, "5.6.7", "an address that is not ASCII needs MAIL with the parameter SMTPUTF8")
    return RecipientRequest(address) if not words else RecipientRequest(address, _read_recipient_parameters(words))


def parse_chunk(argument: str) -> tuple[int, bool]:
    """Size in bytes and whether it is the last one, of ``BDAT size [LAST]`` (RFC 3030 §2).

    Raises:
        Refusal: It cannot be read; what follows cannot be told from commands then, so the session ends.
    """
    size, _, last = argument.partition(" ")
    last = last.strip(" ").upper()
    if _NUMBER.fullmatch(size) is None or last not in ("", "LAST"):
        raise refuse(501, "5.5.4", "write BDAT, the number of bytes, and LAST for the last chunk; closing", ends=True)
    return int(size), last == "LAST"


def _split_path(argument: str, keyword: str) -> tuple[str, str]:
    head, colon, rest = argument.partition(":")
    if not colon or head.rstrip(" ").upper() != keyword:
        raise refuse(501, "5.5.4", f"write {keyword}:<name@domain>")
    try:
        return split_path(rest)
    except AddressError as error:
        raise refuse(501, "5.5.4", str(error)) from error


def _read_parameters(words: str) -> dict[str, str | None]:
    parameters: dict[str, str | None] = {}
    for word in words.split():
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if _KEYWORD.fullmatch(keyword) is None or (equals and not value) or keyword in parameters:
            raise refuse(501, "5.5.4", f"the parameter {word} is malformed or given twice")
        parameters[keyword] = value if equals else None
    return parameters


def _read_mail_parameters(sender: Address | None, words: str) -> MailRequest:
    parameters = _read_parameters(words)
    request = MailRequest(
        sender,
        size_bytes=_read_size(parameters),
        body=_read_body(parameters),
        smtputf8=_read_flag(parameters, "SMTPUTF8"),
        options=MailOptions(read_ret(parameters), read_envid(parameters)),
    )
    if "AUTH" in parameters:
        read_xtext(parameters.pop("AUTH"), "AUTH")  # RFC 4954 §5: who wrote it first is nothing that we pass on
    _refuse_unknown(parameters)
    return request


def _read_recipient_parameters(words: str) -> RecipientOptions:
    parameters = _read_parameters(words)
    options = RecipientOptions(read_notify(parameters), read_orcpt(parameters))
    _refuse_unknown(parameters)
    return options


def _refuse_unknown(parameters: dict[str, str | None]) -> None:
    if parameters:
        raise refuse(555, "5.5.4", f"unknown parameter {next(iter(parameters))}")


def _read_size(parameters: dict[str, str | None]) -> int:
    if "SIZE" not in parameters:
        return 0
    value = parameters.pop("SIZE")
    if value is None or _NUMBER.fullmatch(value) is None:
        raise refuse(501, "5.5.4", "SIZE is a number of bytes")
    return int(value)


def _read_body(parameters: dict[str, str | None]) -> str | None:
    if "BODY" not in parameters:
        return None
    value = (parameters.pop("BODY") or "").upper()
    if value not in ("7BIT", "8BITMIME"):
        raise refuse(501, "5.5.4", "BODY is 7BIT or 8BITMIME")
    return value


def _read_flag(parameters: dict[str, str | None], keyword: str) -> bool:
    if keyword not in parameters:
        return False
    if parameters.pop(keyword) is not None:
        raise refuse(501, "5.5.4", f"{keyword} takes no value")
    return True
