"""Public incidents of read-only tools, one named test each."""

import pytest

from connectors.guards import Allowed, Refused, guard


def refused(query: str, dialect: str) -> bool:
    return isinstance(guard(query, dialect=dialect), Refused)


def test_reference_postgres_server_commit_leaves_the_transaction() -> None:
    assert refused("COMMIT; DROP SCHEMA public CASCADE", "postgres")


def test_pgadmin_2026_copy_to_program() -> None:
    assert refused("COPY (SELECT 1) TO PROGRAM 'id'", "postgres")
    assert refused("SELECT 1; COPY (SELECT 1) TO PROGRAM 'id'", "postgres")


def test_pgedge_leading_comment() -> None:
    assert refused("/* hello */ DROP TABLE orders", "postgres")
    assert refused("-- hello\nDROP TABLE orders", "postgres")


@pytest.mark.parametrize(
    "place", ["FROM {}", "FROM orders, LATERAL {} x", "FROM ROWS FROM ({}) x", "WHERE {} IS NULL", "ORDER BY {}"]
)
def test_functions_outside_the_select_list(place: str) -> None:
    assert refused("SELECT 1 " + place.format("pg_read_file('/etc/passwd')"), "postgres")


def test_create_extension_passes_no_allow_list() -> None:
    assert refused("CREATE EXTENSION dblink", "postgres")


def test_unicode_identifiers() -> None:
    assert refused("SELECT U&\"\\0070g_read_file\"('/etc/passwd')", "postgres")
    assert refused("SELECT u&\"!0070g_read_file\" UESCAPE '!' ('/etc/passwd')", "postgres")


@pytest.mark.parametrize(
    "query",
    [
        "/*! DELETE FROM orders */",
        "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */",
        "SELECT 1 /*M! , SLEEP(9) */",
        "SELECT /*! 1 */",
    ],
)
def test_executable_comments(query: str) -> None:
    assert refused(query, "mysql")


def test_backslash_before_a_quote_is_written_back_safely() -> None:
    answer = guard("SELECT 'a\\' OR SLEEP(5) -- '", dialect="mysql")
    assert isinstance(answer, Allowed)
    assert "\\'" not in answer.text


def test_clickhouse_readonly_two_still_writes_into_functions() -> None:
    assert refused("INSERT INTO FUNCTION s3('https://x/y.csv') SELECT 1", "clickhouse")
    assert refused("SELECT 1 SETTINGS readonly = 0", "clickhouse")
    assert refused("SELECT * FROM (SELECT 1 SETTINGS readonly = 0)", "clickhouse")


def test_bigquery_scripts_and_external_queries() -> None:
    assert refused("BEGIN SELECT 1; DROP TABLE d.t; END", "bigquery")
    assert refused("SELECT * FROM EXTERNAL_QUERY('c', 'DELETE FROM t')", "bigquery")


@pytest.mark.parametrize("stage", ["$out", "$merge"])
def test_mongodb_stages_that_write_at_any_depth(stage: str) -> None:
    assert refused('{"aggregate": "o", "pipeline": [{"STAGE": "x"}]}'.replace("STAGE", stage), "mongodb")
    nested = '{"aggregate": "o", "pipeline": [{"$facet": {"a": [{"STAGE": "x"}]}}]}'
    assert refused(nested.replace("STAGE", stage), "mongodb")
    inner = '{"aggregate": "o", "pipeline": [{"$lookup": {"from": "b", "as": "c", "pipeline": [{"%s": "x"}]}}]}'
    assert refused(inner % stage, "mongodb")


@pytest.mark.parametrize(
    "line",
    [
        "kubectl get pods; kubectl delete pod web",
        "kubectl get pods --kubeconfig=/tmp/x",
        "kubectl get pods --as=admin",
        "kubectl describe secret db",
        "kubectl config view --raw",
        "kubectl proxy",
        "kubectl get pods -o jsonpath='{$(id)}'",
    ],
)
def test_kubectl_chaining_flags_secrets_and_proxies(line: str) -> None:
    assert refused(line, "kubernetes")


def test_shell_substitution_inside_quotes() -> None:
    assert refused('kubectl get pods -l "app=$(id)"', "kubernetes")


def test_nested_ctes_do_not_stall_the_guard() -> None:
    query = "SELECT 1"
    for index in range(60):
        query = f"WITH c{index} AS ({query}) SELECT * FROM c{index}"
    assert guard(query, dialect="postgres") is not None


@pytest.mark.parametrize("table", ["pg_authid", "pg_shadow", "pg_catalog.pg_authid", '"pg_shadow"', "pg_user_mappings"])
def test_credentials_in_catalogs(table: str) -> None:
    assert refused(f"SELECT * FROM {table}", "postgres")
    assert refused(f"SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM {table})", "postgres")


def test_an_alias_does_not_lend_its_name_to_a_call() -> None:
    assert refused("WITH pg_sleep(a) AS (SELECT 1) SELECT pg_sleep(5) FROM pg_sleep", "postgres")


def test_elasticsearch_script_hidden_in_a_sort_or_runtime_field() -> None:
    path = '{"method": "POST", "path": "/logs/_search", "body": %s}'
    assert refused(path % '{"sort": {"_script": {"type": "number", "script": "1"}}}', "elasticsearch")
    assert refused(path % '{"runtime_mappings": {"a": {"type": "long", "script": "emit(1)"}}}', "elasticsearch")
    assert isinstance(guard(path % '{"query": {"match": {"script": "deploy.sh"}}}', dialect="elasticsearch"), Allowed)
