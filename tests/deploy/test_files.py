"""What stands in deploy/ and docker-compose.yml names only what the command line and the settings have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from hourpost.cli import _COMMANDS
from hourpost.embedded.postgres import _DURABLE, _TUNING, LOCALE
from hourpost.gateways.relays import parse_relays
from hourpost.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
_COMPOSE = _ROOT / "docker-compose.yml"
_DOCKERFILE = (_ROOT / "deploy/Dockerfile").read_text()
_MANIFESTS = sorted((_ROOT / "deploy/kubernetes").glob("*.yaml"))
_PARTS = ("web", "worker", "scheduler", "smtp", "imap", "pop3")
_OWN = Settings.model_fields
_PORTS = {name: field.default for name, field in _OWN.items() if name.endswith("_port")}
_STANDARD = {
    "smtp": {25: "smtp_port", 587: "submission_port", 465: "submissions_port"},
    "imap": {143: "imap_port", 993: "imaps_port"},
    "pop3": {110: "pop3_port", 995: "pop3s_port"},
}
_METRICS = 9025
_HAPROXY = (_ROOT / "deploy/haproxy.cfg").read_text()
_SECTIONS = dict(re.findall(r"^listen (\w+)\n((?:\t.*\n)+)", _HAPROXY, re.MULTILINE))
_DRAIN_SECONDS = 25
_MOST_SESSIONS = 10_200
_CONNECTIONS = 15  # of one process: its pool, the hot ones, those that listen, and one that asks for a sign of life
# Left to their defaults: ports inside of containers, what is tuned, what only commands, tests and `hourpost up` use.
_AT_HOME = {name.upper() for name in _PORTS if name != "metrics_port"} | {
    "API_KEY",
    "DATABASE_POOL",
    "EMBEDDED",
    "LEASE_SECONDS",
    "LOG_LEVEL",
    "REQUESTS_PER_SECOND",
    "STRIPE_API_URL",
    "SWEEP_SECONDS",
    "WORKERS",
    "WORKER_CONCURRENCY",
}


@cache
def _services() -> dict[str, Any]:
    return dict(yaml.safe_load(_COMPOSE.read_text())["services"])


@cache
def _objects(kind: str) -> dict[str, Any]:
    found = [one for path in _MANIFESTS for one in yaml.safe_load_all(path.read_text()) if one and one["kind"] == kind]
    return {one["metadata"]["name"]: one for one in found}


def _container(name: str) -> dict[str, Any]:
    return dict(_objects("Deployment")[name]["spec"]["template"]["spec"]["containers"][0])


def _every_file() -> list[Path]:
    return [_COMPOSE, *(path for path in (_ROOT / "deploy").rglob("*") if path.is_file() and "tls" not in path.parts)]


@pytest.mark.parametrize("path", _every_file(), ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    named = set(re.findall(r"HOURPOST_([A-Z0-9_]+)", path.read_text()))
    assert {name.lower() for name in named} <= set(_OWN)


def test_every_setting_is_named_in_production_or_for_a_reason_not() -> None:
    """So that none which a deployment needs is forgotten: a new one is put into the files, or into ``_AT_HOME``."""
    compose = set(re.findall(r"^HOURPOST_(\w+)=", (_ROOT / "deploy/example.env").read_text(), re.MULTILINE))
    secret = yaml.safe_load((_ROOT / "deploy/kubernetes/secret.example.yaml").read_text())["stringData"]
    kubernetes = {name.removeprefix("HOURPOST_") for name in (*_objects("ConfigMap")["hourpost"]["data"], *secret)}
    image = set(re.findall(r"HOURPOST_(\w+)=", _DOCKERFILE))
    needed = {name.upper() for name in _OWN} - _AT_HOME
    assert compose | image >= needed
    assert kubernetes | image >= needed


def test_what_a_setting_of_the_files_says_can_be_read() -> None:
    """Empty ones stand for what is filled in, or is as if it were not there."""
    lines = (_ROOT / "deploy/example.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line.startswith("HOURPOST_"))
    values = {name.removeprefix("HOURPOST_").lower(): value for name, value in given.items() if value}
    settings = Settings(_env_file=None, **values)
    assert settings.public_url == "https://mail.example.com"
    assert [spec.port for spec in parse_relays(settings.relays.get_secret_value())] == [587]


@pytest.mark.parametrize("part", ["migrate", *_PARTS])
def test_every_part_has_all_settings_and_descriptors_enough(part: str) -> None:
    assert _services()[part]["env_file"] == ["deploy/hourpost.env"]
    assert _services()[part]["ulimits"]["nofile"] >= _MOST_SESSIONS
    kind = "Job" if part == "migrate" else "Deployment"
    container = _objects(kind)[part]["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"configMapRef": {"name": "hourpost"}}, {"secretRef": {"name": "hourpost"}}]


@pytest.mark.parametrize("part", _STANDARD)
def test_mail_doors_have_their_certificate(part: str) -> None:
    example = (_ROOT / "deploy/example.env").read_text()
    assert "./deploy/tls:/etc/hourpost/tls:ro" in _services()[part]["volumes"]
    assert "HOURPOST_TLS_CERTIFICATE=/etc/hourpost/tls/" in example
    assert {"name": "tls", "mountPath": "/etc/hourpost/tls", "readOnly": True} in _container(part)["volumeMounts"]
    assert _objects("ConfigMap")["hourpost"]["data"]["HOURPOST_TLS_KEY"].startswith("/etc/hourpost/tls/")


def test_systemd_runs_every_part_with_time_to_end_and_descriptors_enough() -> None:
    unit = (_ROOT / "deploy/systemd/hourpost@.service").read_text()
    assert all(f"hourpost@{part}" in unit for part in _PARTS)
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0]) > _DRAIN_SECONDS
    assert int(re.findall(r"^LimitNOFILE=(\d+)$", unit, re.MULTILINE)[0]) >= _MOST_SESSIONS


def test_the_readme_makes_all_that_the_unit_of_systemd_needs() -> None:
    unit = dict(re.findall(r"^(\w+)=([^-].*)$", (_ROOT / "deploy/systemd/hourpost@.service").read_text(), re.MULTILINE))
    readme = (_ROOT / "README.md").read_text()
    assert f"/usr/sbin/nologin {unit['User']}\n" in readme
    assert f"python3 -m venv {Path(unit['ExecStart'].split()[0]).parents[1]}\n" in readme
    assert f"deploy/example.env {unit['EnvironmentFile']}\n" in readme
    assert f"--property=EnvironmentFile={unit['EnvironmentFile']} " in readme
    assert f"{unit['ExecStart'].split()[0]} migrate\n" in readme
    (started,) = re.findall(r"^    systemctl enable --now (.+)$", readme, re.MULTILINE)
    assert tuple(word.removeprefix("hourpost@") for word in started.split()) == _PARTS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_can_read_its_unit(tmp_path: Path) -> None:
    unit = (_ROOT / "deploy/systemd/hourpost@.service").read_text()
    (tmp_path / "hourpost@.service").write_text(unit.replace("/opt/hourpost/bin/hourpost", "/bin/true"))
    command = ["systemd-analyze", "verify", str(tmp_path / "hourpost@.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) not in done.stderr


def test_systemd_leaves_a_part_its_standard_ports_and_room_for_what_is_uploaded() -> None:
    """A file system that is read-only has no /tmp either, unless the unit has one of its own."""
    unit = (_ROOT / "deploy/systemd/hourpost@.service").read_text()
    assert {"ProtectSystem=strict", "PrivateTmp=yes", "AmbientCapabilities=CAP_NET_BIND_SERVICE"} <= set(unit.split())


@pytest.mark.parametrize("part", ["migrate", *_PARTS])
def test_compose_runs_a_command_that_exists(part: str) -> None:
    assert _services()[part]["command"] == [part]
    assert part in _COMMANDS


@pytest.mark.parametrize("part", _PARTS)
def test_compose_checks_the_health_of_each_part(part: str) -> None:
    assert _services()[part]["healthcheck"]["test"] == ["CMD", "hourpost", "health", part]
    assert "health" in _COMMANDS


@pytest.mark.parametrize("part", _PARTS)
def test_migrations_come_first(part: str) -> None:
    assert _services()[part]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("part", _PARTS)
def test_a_part_has_time_to_end_what_it_has_in_hand(part: str) -> None:
    assert int(_services()[part]["stop_grace_period"].removesuffix("s")) > _DRAIN_SECONDS
    pod = _objects("Deployment")[part]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > _DRAIN_SECONDS


@pytest.mark.parametrize("part", _STANDARD)
def test_the_standard_ports_lead_to_what_the_settings_bind(part: str) -> None:
    published = {int(one.split(":")[0]): int(one.split(":")[1]) for one in _services()["mail-proxy"]["ports"]}
    for port, name in _STANDARD[part].items():
        section = _SECTIONS[name.removesuffix("_port")]
        assert f"bind :{published[port]}\n" in section
        assert re.search(rf"server-template \w+ 20 {part}:{_PORTS[name]}$", section, re.MULTILINE)
        assert str(_PORTS[name]) in _services()[part]["expose"]


@pytest.mark.parametrize("part", _PARTS)
def test_every_part_scales_by_replicas(part: str) -> None:
    """A port of the host is there once, so no part may publish one, nor have a name or a file of its own."""
    assert not {"ports", "container_name", "hostname"} & set(_services()[part])
    assert _services()[part].get("deploy", {}).get("replicas", 1) >= (1 if part == "scheduler" else 2)
    assert all(volume.endswith(":ro") for volume in _services()[part].get("volumes", []))


def test_the_doors_are_told_for_whom_the_mail_proxy_speaks() -> None:
    assert "default-server send-proxy-v2" in _HAPROXY
    assert len(_SECTIONS) == sum(map(len, _STANDARD.values())) == len(_services()["mail-proxy"]["ports"])
    (networks,) = re.findall(r"^HOURPOST_MAIL_PROXIES=(.+)$", (_ROOT / "deploy/example.env").read_text(), re.MULTILINE)
    assert Settings(_env_file=None, mail_proxies=networks).mail_proxy_networks
    assert not {"::1", "127.0.0.1"} & {str(one.network_address) for one in map(ip_network, networks.split())}


@pytest.mark.skipif(shutil.which("caddy") is None, reason="there is no caddy here")
def test_caddy_can_read_its_configuration(tmp_path: Path) -> None:
    command = ["caddy", "adapt", "--adapter", "caddyfile", "--config", str(_ROOT / "deploy/Caddyfile")]
    environment = {**os.environ, "HOME": str(tmp_path), "HOURPOST_HOSTNAME": "mail.example.com"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "mail.example.com" in done.stdout


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no haproxy here")
def test_haproxy_can_read_its_configuration() -> None:
    command = ["haproxy", "-c", "-f", str(_ROOT / "deploy/haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_proxy_leads_to_the_web_part() -> None:
    caddy = (_ROOT / "deploy/Caddyfile").read_text()
    assert f"dynamic a web {_PORTS['http_port']} {{" in caddy
    assert f"reverse_proxy web:{_PORTS['http_port']}" in caddy
    assert "443:443" in _services()["proxy"]["ports"]
    assert "ports" not in _services()["web"]


@pytest.mark.parametrize("part", _PARTS)
def test_every_container_port_is_bound(part: str) -> None:
    bound = {_PORTS["http_port"]} if part == "web" else {_METRICS}
    bound |= {_PORTS[name] for name in _STANDARD.get(part, {}).values()}
    assert {port["containerPort"] for port in _container(part)["ports"]} == bound
    assert {int(port) for port in _services()[part]["expose"]} <= bound


def test_doctor_is_asked_where_the_certificate_is() -> None:
    readme = (_ROOT / "README.md").read_text()
    named = re.findall(r"^HOURPOST_TLS_\w+=(.+)$", (_ROOT / "deploy/example.env").read_text(), re.MULTILINE)
    asked = re.findall(r"exec -T (\w+)\s+(?:\\\s+)?hourpost doctor", readme)
    assert asked
    for part in asked:
        folders = {volume.split(":")[1] for volume in _services()[part]["volumes"]}
        assert {str(Path(path).parent) for path in named} <= folders
    settings = _objects("ConfigMap")["hourpost"]["data"]
    pods = re.findall(r"deploy/(\w+) -- hourpost doctor", readme)
    assert pods
    for part in pods:
        folders = {mount["mountPath"] for mount in _container(part)["volumeMounts"]}
        assert {str(Path(settings[f"HOURPOST_TLS_{name}"]).parent) for name in ("CERTIFICATE", "KEY")} <= folders


def test_kubernetes_and_compose_agree_on_the_metrics_port() -> None:
    assert _objects("ConfigMap")["hourpost"]["data"]["HOURPOST_METRICS_PORT"] == str(_METRICS)
    assert f"HOURPOST_METRICS_PORT={_METRICS}\n" in (_ROOT / "deploy/example.env").read_text()


@pytest.mark.parametrize("part", _PARTS)
def test_kubernetes_runs_a_command_that_exists(part: str) -> None:
    assert _container(part)["args"] == [part]
    assert "livenessProbe" in _container(part)
    assert part in _objects("PodDisruptionBudget")


def test_a_pod_that_ends_is_asked_for_nothing_any_more() -> None:
    """It takes seconds until every node and load balancer has heard that it goes; ports closed before refuse people."""
    for part in ("web", *_STANDARD):
        pod = _objects("Deployment")[part]["spec"]["template"]["spec"]
        command, seconds = _container(part)["lifecycle"]["preStop"]["exec"]["command"]
        assert command == "sleep"
        assert pod["terminationGracePeriodSeconds"] > int(seconds) + _DRAIN_SECONDS


def test_who_scales_by_itself_is_not_set_back_by_the_next_apply() -> None:
    scaled = _objects("HorizontalPodAutoscaler")
    for part in _PARTS:
        assert ("replicas" in _objects("Deployment")[part]["spec"]) is (part not in scaled)
    assert all(one["spec"]["minReplicas"] >= 2 for one in scaled.values())


def test_postgres_has_a_connection_for_whoever_wants_one_and_is_tuned_as_at_home() -> None:
    postgres = _services()["postgres"]
    given = dict(word.removeprefix("--").split("=", 1) for word in postgres["command"][1:])
    processes = sum(_services()[part].get("deploy", {}).get("replicas", 1) for part in _PARTS)
    assert int(given.pop("max_connections")) >= 2 * processes * _CONNECTIONS
    assert given.items() <= {**_TUNING, **_DURABLE}.items()
    assert postgres["environment"]["POSTGRES_INITDB_ARGS"].split() == list(LOCALE)


def test_kubernetes_takes_no_web_pod_out_of_service_while_redis_is_away() -> None:
    web = _container("web")
    assert web["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert web["readinessProbe"]["httpGet"]["path"] == web["livenessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize("service", ["web", *_STANDARD])
def test_services_lead_to_named_ports(service: str) -> None:
    names = {port["name"] for port in _container(service)["ports"]}
    assert {port["targetPort"] for port in _objects("Service")[service]["spec"]["ports"]} <= names


def test_broker_and_counters_are_different_servers_that_forget_nothing() -> None:
    example = (_ROOT / "deploy/example.env").read_text()
    assert "REDIS_URL=redis://counters:" in example
    assert "BROKER_URL=redis://broker:" in example
    for name in ("counters", "broker"):
        command = " ".join(_services()[name]["command"])
        assert "--appendonly yes" in command
        assert "--maxmemory-policy noeviction" in command
        assert "--save  --" in command  # none: one that fails would have every write refused


def test_the_image_runs_as_nobody_special_and_knows_no_secret() -> None:
    last = _DOCKERFILE.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    assert "--require-hashes -r requirements/run.txt" in _DOCKERFILE
    assert "dev.txt" not in _DOCKERFILE
    assert not re.search(r"(SECRET|PASSWORD|_URL|RELAYS)", _DOCKERFILE)


def test_the_image_names_every_port_that_a_part_binds() -> None:
    exposed = re.search(r"^EXPOSE (.+)$", _DOCKERFILE, re.MULTILINE)
    assert exposed is not None
    assert {int(port) for port in exposed[1].split()} == {port for port in _PORTS.values() if port}


def test_all_sources_that_the_image_copies_reach_the_build() -> None:
    allowed = (_ROOT / ".dockerignore").read_text().splitlines()
    assert allowed[0] == "*"
    for source in ("api", "workers", "hourpost", "migrations", "pyproject.toml", "README.md", "requirements/run.txt"):
        assert f"!{source}" in allowed
        assert (_ROOT / source).exists()


def _copied() -> list[str]:
    """What the image is built from."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", _DOCKERFILE, re.MULTILINE)
    return [name.rstrip("/") for line in lines for name in line.split()]


def test_the_image_is_built_from_what_there_is_and_from_all_that_the_build_needs() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    needed = {"pyproject.toml", "hatch_build.py", project["project"]["readme"], "requirements"}
    assert set(_copied()) == needed | set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert all((_ROOT / name).exists() for name in _copied())


def test_the_context_lets_through_what_is_copied_and_not_what_is_built_here() -> None:
    lines = (_ROOT / ".dockerignore").read_text().split()
    through = {line[1:].split("/")[0] for line in lines if line.startswith("!")}
    assert lines[0] == "*"
    assert through == set(_copied())
    assert {"**/node_modules", "api/web/dashboard/static"} <= set(lines)


def test_the_wheel_leaves_the_sources_of_the_assets_out() -> None:
    """In an image there is no .gitignore, and what npm fetched would be taken along."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"] == ["api/web/dashboard/assets"]
