"""What stands in `config/sources.yaml` reaches each connector as the documentation says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.errors import InvalidConfiguration
from bot.sources import Configuration, load_configuration
from connectors.registry import connector_types
from tests.connectors.log_lines import CLOCK

SOURCES = """
data_sources:
  loki: {url: "https://loki.test", tenant: acme, token: "${SECRET}", match: {env: production}}
  opensearch: {url: "https://search.test:9200", username: reader, password: "${SECRET}"}
  apm:
    datadog: {api_key: "${SECRET}", application_key: "${SECRET}", site: eu1, app_id: [payment-service]}
    newrelic: {account_id: 7, api_key: "${SECRET}", region: eu}
  jira: {server: "https://acme.atlassian.net", email: bot@acme.test, token: "${SECRET}", project: OPS}
  http_tools:
    - name: inventory
      url: https://inventory.test/api
      token: "${SECRET}"
      tools: [{name: list_things, summary: Things., path: "/v1/things"}]
  mcp:
    - {name: notes, url: "https://mcp.test/mcp", token: "${SECRET}", read_tools: [search_notes]}
    - {name: other, command: other-mcp, read_tools: [list_all]}
"""


def load(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "sources.yaml"
    path.write_text(text, encoding="utf-8")
    return load_configuration(path, {"SECRET": "never-shown"})


def test_every_kind_is_built_from_its_entry(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="needs the mcp extra: pip install 'inquest[mcp]'")
    found = load(tmp_path, SOURCES)
    built = {source.name: source.build(CLOCK) for source in found.sources}
    assert set(built) == {
        "loki/main",
        "opensearch/main",
        "datadog/main",
        "newrelic/main",
        "jira/main",
        "http_tools/inventory",
        "mcp/notes",
        "mcp/other",
    }
    assert all(connector.tools() for connector in built.values())
    assert "never-shown" not in repr([connector.config for connector in built.values()])


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("loki: {url: 'https://x.test', tenent: acme}", "unknown key"),
        ("newrelic: {api_key: k}", "account_id"),
        ("datadog: {api_key: a, application_key: b, site: moon}", "site"),
        ("jira: {server: 'acme.atlassian.net'}", "http"),
        ("mcp: {url: 'https://x.test'}", "read_tools"),
        (
            "http_tools: {url: 'https://x.test', tools: [{name: get_x, summary: Reads., path: /x, method: POST}]}",
            "effect",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, entry: str, words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        load(tmp_path, f"data_sources:\n  {entry}\n")


def test_the_example_names_every_kind_and_every_entry_is_accepted() -> None:
    path = Path(__file__).parents[2] / "config" / "sources.example.yaml"
    secrets = dict.fromkeys(re.findall(r"\$\{(\w+)", path.read_text(encoding="utf-8")), "never-shown")
    found = load_configuration(path, secrets)
    assert sorted({source.type for source in found.sources}) == connector_types()
