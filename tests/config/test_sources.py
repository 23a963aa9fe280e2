"""The configuration file: what it builds, and how it says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import InvalidConfiguration
from bot.settings import Settings, SlackMode, load_settings
from bot.sources import Configuration, load_configuration

GOOD = """
data_sources:
  prometheus: {url: "http://127.0.0.1:9090"}
  databases:
    - name: payments
      type: postgresql
      host: db
      database: payment_db
      username: reader
      password: ${DB_PASSWORD}
      squad: payment
      services: [payment-service]
      limits: {deadline_s: 3, max_rows: 5}
  kubernetes: {kubeconfig_path: ~/.kube/config, contexts: [production, Staging EU], environment: staging}
  elasticsearch: {enabled: false, hosts: ["http://127.0.0.1:9200"]}
squads:
  payment: {channels: [C1], services: [payment-service], keywords: [refund]}
"""


def _load(tmp_path: Path, text: str, **environment: str) -> Configuration:
    path = tmp_path / "sources.yaml"
    path.write_text(text, encoding="utf-8")
    return load_configuration(path, environment)


def test_builds_what_it_lists(tmp_path: Path) -> None:
    configuration = _load(tmp_path, GOOD, DB_PASSWORD="hunter2-very-secret")
    names = [source.name for source in configuration.sources]
    assert names == [
        "prometheus/main",
        "postgresql/payments",
        "kubernetes/production",
        "kubernetes/staging-eu",
    ]
    database = configuration.sources[1]
    assert (database.squad, database.services, database.environment) == ("payment", ("payment-service",), "production")
    assert (database.limits.deadline_s, database.limits.max_rows) == (3, 5)
    assert configuration.sources[2].environment == "staging"
    assert configuration.squads[0].keywords == ("refund",)
    assert "hunter2" not in repr(configuration)


def test_no_file_means_nothing_is_configured_yet(tmp_path: Path) -> None:
    assert load_configuration(tmp_path / "none.yaml", {}) == Configuration()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("data_sources:\n  prometheus: {url: 'http://p', surprise: 1}\n", 2, "surprise: unknown key"),
        ("data_sources:\n  oracle: {host: x}\n", 2, "no source kind 'oracle'"),
        ("data_sources:\n  prometheus: {}\n", 2, "url: is required and missing"),
        ("data_source:\n  prometheus: {}\n", 1, "data_source: unknown key"),
        ("data_sources:\n  databases:\n    - {name: a}\n", 3, "needs a `type`"),
        ("data_sources:\n  prometheus:\n    url: ${NOWHERE}\n", 3, "NOWHERE is not set"),
        ("data_sources:\n  prometheus: {url: 'http://p', name: 'Bad Name'}\n", 2, "small letters"),
        (
            "data_sources:\n  prometheus:\n    - {url: 'http://p'}\n    - {url: 'http://q'}\n",
            4,
            "taken already (line 3)",
        ),
        ("data_sources:\n  prometheus: [\n", 3, "not valid YAML"),
        ("data_sources:\n  prometheus: &a {url: 'http://p'}\n  loki: *a\n", None, "aliases"),
        ("data_sources:\n  prometheus: !!python/object/apply:os.getcwd []\n", 2, ""),
        ("data_sources:\n  prometheus: {url: 'http://p'}\n  prometheus: {url: 'http://q'}\n", 3, "stands here twice"),
        ("data_sources:\n  prometheus: {url: 'http://p', limits: {max_rows: -1}}\n", 2, "max_rows"),
        ("data_sources: 7\n", 1, "must be a mapping"),
        ("squads:\n  payment: {channels: C1}\n", 2, "channels"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, text: str, line: int | None, words: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        _load(tmp_path, text)
    said = str(caught.value)
    assert "sources.yaml" in said
    assert words in said
    if line is not None:
        assert f"sources.yaml:{line}:" in said


def test_a_variable_cannot_become_yaml(tmp_path: Path) -> None:
    text = "data_sources:\n  prometheus: {url: '${URL}'}\n"
    configuration = _load(tmp_path, text, URL="http://p', verify: false, x: '")
    assert "verify: false" in configuration.sources[0].config.url  # type: ignore[attr-defined]


def test_settings_say_which_variable_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INQUEST_WORKERS", "many")
    with pytest.raises(InvalidConfiguration, match="INQUEST_WORKERS"):
        load_settings()


def test_the_mode_follows_from_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "INQUEST_SLACK_MODE"):
        monkeypatch.delenv(name, raising=False)
    assert Settings().effective_slack_mode is SlackMode.OFF
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    assert Settings().effective_slack_mode is SlackMode.HTTP
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1")
    assert Settings().effective_slack_mode is SlackMode.SOCKET
    assert "xoxb-1" not in repr(Settings())
