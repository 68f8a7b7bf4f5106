"""The settings of every process: read once at each entry point and handed over from there."""

from __future__ import annotations

import ipaddress
import logging
import os
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

ENV_FILE = ".env"
"""Of the folder that we are in."""

EMBEDDED_DOMAIN = "hourpost.test"
"""What our own mail is from where `hourpost up` runs on its own."""

_REQUESTS = (
    "HTTP requests a second of one credential, on all parts together; what begins on several at once may be more in its"
    " first tenth of a second."
)
Port = Annotated[int, Field(ge=0, le=65535)]


class EnvFileUnreadable(ValueError):
    """The file ``.env`` cannot be read at all."""


class SecretFileUnusable(ValueError):
    """A secret that a file is to hold cannot be had from there."""


class _SecretFiles(PydanticBaseSettingsSource):
    """Secrets in files that variables name, as containers and systemd hand them out."""

    def __init__(self, settings: type[BaseSettings], *sources: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        self._given: dict[str, str | None] = {}
        for source in reversed(sources):  # the first wins
            self._given |= getattr(source, "env_vars", {})

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        """What the file of one setting holds. Raises: SecretFileUnusable."""
        variable = f"HOURPOST_{field_name.upper()}"
        path = self._given.get(f"{variable}_FILE".lower()) if is_secret(field) else None
        if not path:
            return None, field_name, False
        if self._given.get(variable.lower()):
            raise SecretFileUnusable(f"{variable} and {variable}_FILE are both set: one of them is enough")
        return _read_secret(f"{variable}_FILE", Path(path)) or None, field_name, False

    def __call__(self) -> dict[str, object]:
        """Every secret that is in a file. Raises: SecretFileUnusable."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting may also be given as a file, by its name and ``_FILE``."""
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _read_secret(variable: str, path: Path) -> str:
    """The text of a file without its last line end. Raises: SecretFileUnusable."""
    try:
        return path.read_bytes().decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SecretFileUnusable(f"{variable}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileUnusable(f"{variable}: {path} is no UTF-8 text") from None


class Settings(BaseSettings):
    """Environment variables with the prefix ``HOURPOST_``, the file ``.env``, and files of secrets; frozen."""

    model_config = SettingsConfigDict(
        env_prefix="HOURPOST_",
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    home: Path = Field(
        Path("var"), description="Data of the embedded servers, generated secrets, certificate, captured mail."
    )
    database_url: SecretStr | None = Field(None, description="PostgreSQL; embedded when not set.")
    redis_url: SecretStr | None = Field(None, description="Redis of the hour's buckets; embedded when not set.")
    broker_url: SecretStr | None = Field(None, description="Redis of Celery; database 0 of redis_url when not set.")
    host: str = Field("127.0.0.1", description="Address that all listeners bind.")
    http_port: Port = Field(8025, description="REST API and dashboard.")
    smtp_port: Port = Field(2525, description="Inbound SMTP (25).")
    submission_port: Port = Field(2587, description="SMTP submission with STARTTLS (587).")
    submissions_port: Port = Field(2465, description="SMTP submission under TLS (465).")
    imap_port: Port = Field(2143, description="IMAP with STARTTLS (143).")
    imaps_port: Port = Field(2993, description="IMAP under TLS (993).")
    pop3_port: Port = Field(2110, description="POP3 with STLS (110).")
    pop3s_port: Port = Field(2995, description="POP3 under TLS (995).")
    metrics_port: Port = Field(
        0,
        description=(
            "Prometheus port of parts without HTTP (0: none). Under `hourpost up` the worker has it, and smtp, imap,"
            " pop3 and further workers those after it."
        ),
    )
    relays: SecretStr = Field(
        SecretStr(""), description="Upstream relays, space-separated URLs; the capture relay when empty."
    )
    base_url: str | None = Field(None, description="Public address in links; from host and port when not set.")
    system_sender: str | None = Field(
        None,
        description="From of our own mail (sign-up, passwords): Name <user@domain>, of a domain that is verified here.",
    )
    sign_up: str = Field(
        "open",
        pattern="^(open|closed)$",
        description="Whether people sign up by themselves; closed: by invitation and `hourpost account create` alone.",
    )
    contact: str | None = Field(
        None,
        description="Whom to ask for an account where that is closed: an address or a URL; else system_sender's.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Who may say by X-Forwarded-For where a web request comes from, comma-separated; * for everybody.",
    )
    mail_proxies: str = Field(
        "",
        description="Networks from which mail ports expect the PROXY protocol (1 or 2), space-separated; 10.1.0.0/16.",
    )
    hostname: str = Field("localhost", description="Our own name in EHLO, banners, trace headers and delivery notices.")
    postmaster: str = Field(
        "",
        description="Mailbox here that gets what is for `postmaster` where nobody has that address; when empty the"
        " oldest of an operator's account.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Encrypts stored secrets, signs sessions, the same for all parts; `hourpost up` makes one in home"
        " when not set, and no part by itself begins without.",
    )
    previous_secret_keys: SecretStr = Field(
        SecretStr(""), description="Older secret keys, space-separated, that still decrypt."
    )
    tls_certificate: Path | None = Field(None, description="PEM chain of the mail doors; self-signed when not set.")
    tls_key: Path | None = Field(None, description="PEM key of the mail doors.")
    embedded: bool = Field(
        False, description="Set by `hourpost up`: *.test, *.example and *.localhost verify by themselves."
    )
    dns_servers: str = Field("", description="Name servers for verification, space-separated; the system's when empty.")
    outgoing_networks: str = Field(
        "", description="Networks besides the open internet that webhooks may call, space-separated; 10.1.0.0/16."
    )
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level logged.")
    requests_per_second: int = Field(5000, ge=1, description=_REQUESTS)
    workers: int = Field(2, ge=1, description="Worker processes that `hourpost up` starts.")
    worker_concurrency: int = Field(400, ge=1, description="Deliveries one worker process has in hand at once.")
    lease_seconds: int = Field(
        30, ge=5, le=1800, description="How long a worker's deliveries stay its own without a sign of life."
    )
    sweep_seconds: float = Field(8.0, gt=0, description="Longest time between two sweeps for what lost its hint.")
    email_days: int = Field(
        365, ge=30, description="How many days an email is kept with what became of it, and 30 after it has ended."
    )
    inbound_days: int = Field(90, ge=1, description="How many days mail that came by a route is kept here.")
    database_pool: int = Field(8, ge=2, description="PostgreSQL connections of one process.")
    api_key: SecretStr | None = Field(None, description="API key that `hourpost send` uses.")
    stripe_secret_key: SecretStr | None = Field(None, description="Without it plans are switched free of charge.")
    stripe_webhook_secret: SecretStr | None = Field(
        None, description="Verifies Stripe's webhooks; two, space-separated, while one replaces the other."
    )
    stripe_api_url: str | None = Field(None, description="Stripe's API at another address, for tests.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Files of secrets beside what pydantic reads itself."""
        files = _SecretFiles(settings_cls, env_settings, dotenv_settings)
        return init_settings, env_settings, dotenv_settings, files

    @field_validator("outgoing_networks", "mail_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for one in value.split():
            ipaddress.ip_network(one)
        return value

    @cached_property
    def mail_proxy_networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """Where those come from who say for whom they speak."""
        return [ipaddress.ip_network(one) for one in self.mail_proxies.split()]

    @cached_property
    def public_url(self) -> str:
        """The address of the web part as clients reach it, without a trailing slash."""
        return (self.base_url or f"http://{self.host}:{self.http_port}").rstrip("/")

    @cached_property
    def own_sender(self) -> str | None:
        """From of our own mail; on embedded servers there is a domain for it. None: none can be sent."""
        return self.system_sender or (f"Hourpost <hello@{EMBEDDED_DOMAIN}>" if self.embedded else None)

    @cached_property
    def takes_sign_ups(self) -> bool:
        """Whether anybody may make an account."""
        return self.sign_up == "open"

    @cached_property
    def captured_in(self) -> Path | None:
        """Where mail lands that nobody receives, with the capture relay of `hourpost up`; None with relays."""
        relays = self.relays.get_secret_value()
        is_ours = relays.startswith("smtp://hourpost:") and relays.endswith("/tls/authority.pem")
        return self.home / "captured" if is_ours else None

    @cached_property
    def own_authority(self) -> Path | None:
        """What vouches for the mail doors' certificate where `hourpost up` made it, for programs to trust."""
        folder = self.home.resolve() / "tls"
        is_ours = self.tls_certificate is not None and self.tls_certificate.resolve().parent == folder
        return folder / "authority.pem" if is_ours else None

    @cached_property
    def is_loopback(self) -> bool:
        """Whether nobody outside this machine reaches our listeners."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def load_settings(**overrides: object) -> Settings:
    """Read the environment, ``.env`` and files of secrets; ``overrides`` win.

    Raises: pydantic.ValidationError, EnvFileUnreadable, SecretFileUnusable.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks each field
    except UnicodeDecodeError:
        raise EnvFileUnreadable(f"{Path(ENV_FILE).resolve()} is no UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise EnvFileUnreadable(f"{Path(ENV_FILE).resolve()} cannot be read: {error.strerror}") from None


def list_unknown_variables() -> list[str]:
    """What looks like a setting and is none, here or in ``.env``, each with the one that may be meant."""
    known = [f"HOURPOST_{name.upper()}" for name in Settings.model_fields]
    known += [f"HOURPOST_{name.upper()}_FILE" for name, field in Settings.model_fields.items() if is_secret(field)]
    named = {name for name in os.environ if name.startswith("HOURPOST_")}
    named |= {name.upper() for name in _read_file()[0] if name.startswith("hourpost_")}
    return [f"{name} is no setting{_perhaps(name, known)}" for name in sorted(named.difference(known))]


def list_unreadable_lines() -> list[str]:
    """The lines of ``.env`` that say nothing; who reads the settings has them in the log once."""
    return _read_file()[1]


def _read_file() -> tuple[set[str], list[str]]:
    """The names that ``.env`` sets, in lower case, and the lines in it that cannot be read."""
    if not Path(ENV_FILE).is_file():
        return set(), []
    heard: list[str] = []
    _LINES.heard = heard
    try:
        return set(DotEnvSettingsSource(Settings).env_vars), heard
    finally:
        _LINES.heard = None


class _Lines(logging.Filter):
    """Tells lines that python-dotenv cannot read by their file, and once: the settings are read again by many."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] | None = None  # where somebody listens, who then tells
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if not isinstance(record.args, tuple) or not record.args:
            return True
        words = f"{Path(ENV_FILE).resolve()}: line {record.args[0]} cannot be read as NAME=value, and is left out"
        if self.heard is not None:
            self.heard.append(words)
            return False
        record.msg, record.args = words, ()
        is_new = words not in self._told
        self._told.add(words)
        return is_new


_LINES = _Lines()
logging.getLogger("dotenv.main").addFilter(_LINES)


def _perhaps(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; is {near[0]} meant?" if near else ""
