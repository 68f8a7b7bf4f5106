"""What Prometheus is to watch exists, in name and label; an alert says what has happened and what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from hourpost.emails.oldest import CAUSES
from hourpost.gateways import metrics
from hourpost.rules.delivery_state import State
from hourpost.settings import Settings
from tests.deploy.test_files import _METRICS, _PARTS

_FOLDER = Path(__file__).resolve().parents[2] / "deploy/prometheus"
_RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((_FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
_OURS = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
_VALUES = {"cause": set(CAUSES), "state": {state.value for state in State}, "outcome": {"published", "failed"}}


def _by_sample() -> dict[str, Any]:
    """Our metrics by every name that a query may use."""
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return {f"{one._name}{suffix}": one for one in _OURS for suffix in suffixes[one._type]}


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_exists_and_says_what_to_do(rule: dict[str, Any]) -> None:
    known = _by_sample()
    asked = re.findall(r"\b(hourpost_\w+)(?:\{(.*?)\})?", rule["expr"])
    for name, matchers in asked:
        assert name in known
        for label, value in re.findall(r"(\w+)=\"(.*?)\"", matchers):
            assert label in known[name]._labelnames
            assert value in _VALUES[label]
    assert asked or re.search(r"\b(up|process_open_fds)\{job=\"hourpost\"\}", rule["expr"])
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "action"}


def test_names_units_and_words_are_as_prometheus_wants_them() -> None:
    for one in _OURS:
        assert re.fullmatch(r"hourpost_[a-z][a-z0-9_]*", one._name), one._name
        assert one._documentation.endswith("."), one._name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)$", one._name), one._name
        assert not {"account", "email", "address", "user", "domain", "id"} & set(one._labelnames), one._name
        if one._type == "histogram":
            assert re.search(r"_(seconds|emails|bytes)$", one._name), one._name


def test_every_part_is_read_where_it_serves_its_metrics() -> None:
    job = yaml.safe_load((_FOLDER / "prometheus.yml").read_text())["scrape_configs"][0]
    assert job["job_name"] == "hourpost"
    ports = {name: lookup["port"] for lookup in job["dns_sd_configs"] for name in lookup["names"]}
    assert ports == dict.fromkeys(_PARTS, _METRICS) | {"web": Settings.model_fields["http_port"].default}


def test_python_s_own_metrics_are_there() -> None:
    assert REGISTRY.get_sample_value("process_open_fds") is not None
    assert REGISTRY.get_sample_value("process_max_fds") is not None


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")
def test_prometheus_can_read_its_files() -> None:
    command = ["promtool", "check", "config", str(_FOLDER / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
