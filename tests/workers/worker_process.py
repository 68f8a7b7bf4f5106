"""A worker process for tests: `python -m tests.workers.worker_process '{"database_url": …}'`; says when it is ready."""

from __future__ import annotations

import json
import sys

from hourpost.gateways.encryption import Cipher
from hourpost.settings import Settings
from workers.app import run_worker


def main() -> None:
    given = json.loads(sys.argv[1])
    broker_url = given.pop("broker")
    settings = Settings(_env_file=None, secret_key="a secret of the tests, long enough", **given)
    urls = (settings.database_url.get_secret_value(), broker_url)
    run_worker(settings, urls, Cipher.from_settings(settings), lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
