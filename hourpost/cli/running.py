"""The settings of the installation that a command talks to: the configured servers, or what runs in the home."""

from __future__ import annotations

from hourpost.embedded.instance import instance_settings
from hourpost.errors import ServiceUnavailable
from hourpost.settings import Settings


def running_settings() -> Settings:
    """The settings with the addresses of the servers. Raises: ServiceUnavailable when nothing runs."""
    settings = instance_settings()
    if settings.database_url is not None:
        return settings
    raise ServiceUnavailable(
        f"Nothing runs in {settings.home.resolve()}; start it with `hourpost up`, or set HOURPOST_DATABASE_URL."
    )


def client_settings() -> Settings:
    """The settings of a command that only speaks HTTP, so that nothing else need be known."""
    return instance_settings()
