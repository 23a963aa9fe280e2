"""What applications say about their database: wrong credentials, wrong port, no connections left, read-only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.analysis.kubernetes.addresses import addresses_of, ports_of, service_behind
from bot.analysis.kubernetes.cluster import Cluster, Line, Thing, spec_of, template_containers
from bot.analysis.kubernetes.match import Match
from bot.domain.evidence import FindingKind
from connectors.kubernetes.reading import mapping, number, objects, text
from connectors.model import JsonObject

_K = FindingKind
# Server messages: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
# 1045, 1040, 1203, 1290, 1836
_DENIED = re.compile(
    r"Access denied for user|ER_ACCESS_DENIED|ER_NOT_SUPPORTED_AUTH_MODE|\berror 1045\b|"
    r"caching_sha2_password.{0,40}(?:denied|fail)|SQLSTATE\[28000\]|SQLInvalidAuthorizationSpecException",
    re.I,
)
_FROM_ADDRESS = re.compile(r"Access denied for user '[^']*'@'(?P<ip>[\d.]+|[0-9a-f:]+)'", re.I)
_NO_MORE = re.compile(
    r"Too many connections|Data source rejected establishment of connection|"
    r"ER_CON_COUNT|max_user_connections|max_connections_per_hour|Too many clients|"
    r"remaining connection slots are reserved|sorry, too many clients|max number of clients reached|"
    r"maximum number of (?:sessions|processes|connections)|connection limit (?:exceeded|reached)|"
    r"Can't create a new thread",
    re.I,
)
_POOL_DRY = re.compile(
    r"(?:Hikari\S*|Druid\S*|pool).{0,80}(?:timed out|timeout|exhausted)|"
    r"Timeout waiting for (?:idle )?(?:connection|object)|"
    r"Timeout acquiring a connection|checkout a Connection has timed out|Could not get a resource from the pool|"
    r"PoolExhausted|Cannot get a connection, pool",
    re.I,
)
_READ_ONLY = re.compile(
    r"--(?:super-)?read-only option|read_only option|ER_OPTION_PREVENTS|Running in read-only mode|in read[- ]only mode|"
    r"in a read-only transaction|Connection is read-only|can't write against a read only replica|READONLY You can't|"
    r"Table '[^']+' is read only|ER_READ_ONLY_MODE|SQLSTATE\[?:? ?25006|database is (?:in )?read[- ]only|"
    r"not (?:a )?(?:writable )?primary|NotWritablePrimary",
    re.I,
)
_NO_LINK = re.compile(
    r"Communications link failure|CommunicationsException|CannotGetJdbcConnection|Can't connect to MySQL server|"
    r"(?:mysql|mariadb|jdbc|3306)\S*.{0,120}(?:connection )?refused|connect ECONNREFUSED \S+:3306|"
    r"SQLSTATE\[HY000\] \[2002\]|Unable to connect to any of the specified MySQL hosts|"
    r"Could not create connection to database server|SQLNonTransientConnectionException",
    re.I,
)
_ENGINES = re.compile(r"(?:^|/)(?:mysql|mariadb|percona|postgres|postgresql|xenon|mysql-server|tidb)[^/]*$", re.I)
_MYSQL = re.compile(r"(?:^|/)(?:mysql|mariadb|percona|xenon)[^/]*$", re.I)
_DB_WORD = re.compile(r"mysql|mariadb|jdbc|(?:^|_)DB(?:_|$)|database|postgres|(?:^|_)PG", re.I)


def credentials_refused(cluster: Cluster) -> Iterator[Match]:
    """An application's log says that the database does not accept its user or password."""
    for line in cluster.lines(_DENIED) if cluster.pods else ():
        yield from _told_by_database(cluster, line)
        if line.service and not _is_database(cluster, line.service):
            yield _match(
                f"app/{line.service}", "mysql_invalid_credentials", 0.95, line,
                f"the database refuses the user or password of {line.service} ({line.count} lines in its log)",
                "The same user and password work from inside the pod.",
            )  # fmt: skip


def _told_by_database(cluster: Cluster, line: Line) -> Iterator[Match]:
    """The database's own log names the address of whom it refuses."""
    if not line.service or not _is_database(cluster, line.service):
        return
    addresses = {m["ip"] for m in _FROM_ADDRESS.finditer(line.line)}
    for app in {p.app for p in cluster.pods if p.said("pod_ip") in addresses}:
        yield _match(
            f"app/{app}", "mysql_invalid_credentials", 0.85, line,
            f"{line.service} refuses the user or password of {app} ({line.count} lines in its log)",
            "The same user and password work from inside the pod.",
        )  # fmt: skip


def user_differs(cluster: Cluster) -> Iterator[Match]:
    """Declared credentials name another user than every other application of the same database does."""
    declared = [(s, mapping(s.fields, "values")) for s in cluster.of("Secret")]
    users: dict[str, dict[str, list[Thing]]] = {}
    for secret, values in declared:
        host = next((str(v) for k, v in values.items() if k.lower().endswith("host")), None)
        user = next((str(v) for k, v in values.items() if k.lower().endswith(("user", "username"))), None)
        if host and user:
            users.setdefault(host, {}).setdefault(user, []).append(secret)
    for host, by_user in users.items():
        odd = [found[0] for found in by_user.values() if len(found) == 1]
        if sum(map(len, by_user.values())) >= 4 and len(by_user) == 2 and len(odd) == 1:
            for workload in (w for w in cluster.workloads if odd[0].name in _secrets(w)):
                text_ = f"{workload.name} goes to {host} as a user that no other application of it uses"
                disproof = "The same user works from inside the pod."
                yield _match(workload.component, "mysql_invalid_credentials", 0.6, odd[0], text_, disproof)


def connections_used_up(cluster: Cluster) -> Iterator[Match]:
    """Applications are told that the database has no connection left: the database's own limit, or their pools."""
    yield from _at_database(cluster, _NO_MORE, "db_connection_exhaustion", 0.94, "has no connections left")
    yield from _at_database(cluster, _POOL_DRY, "db_connection_exhaustion", 0.45, "gives out no further connections")


def read_only(cluster: Cluster) -> Iterator[Match]:
    """Writes fail because the database takes none."""
    yield from _at_database(cluster, _READ_ONLY, "db_read_only", 0.94, "refuses writes: it is read-only")


def _at_database(
    cluster: Cluster, pattern: re.Pattern[str], cause: str, confidence: float, words: str
) -> Iterator[Match]:
    disproof = "A new connection can be opened and used from elsewhere while the lines go on."
    for line in cluster.lines(pattern) if cluster.pods else ():
        database = line.service if _is_database(cluster, line.service) else database_of(cluster, line.service)
        text_ = f"{{0}} {words} ({line.count} lines in the log of {line.service})"
        if database:
            yield _match(f"app/{database}", cause, confidence, line, text_.format(database), disproof)
        if line.service and line.service != database:
            less = confidence - 0.15 if database else confidence - 0.05
            yield _match(f"app/{line.service}", cause, less, line, text_.format("the database"), disproof)


def port_wrong(cluster: Cluster) -> Iterator[Match]:
    """The port an application is given for its database is not one the database's Service has."""
    for workload in cluster.workloads:
        line = next(cluster.lines(_NO_LINK, service=workload.app), None)
        wrong = _wrong_port(cluster, workload)
        if wrong:
            host, port, have = wrong
            yield _match(
                workload.component, "mysql_invalid_port", 0.97 if line else 0.96, line or workload,
                f"{workload.name} is told to reach its database at {host}:{port}, and Service {host} has port {have}",
                f"A database answers at {host}:{port}.",
            )  # fmt: skip
        elif line and not _is_database(cluster, workload.app):
            alone = not any(other.service != workload.app for other in cluster.lines(_NO_LINK))
            yield _match(
                workload.component, "mysql_invalid_port", 0.5 if alone else 0.3, line,
                f"{workload.name} cannot connect to its database ({line.count} lines in its log)"
                + (", and no other application complains" if alone else ""),
                "The database does not accept connections from others either.",
            )  # fmt: skip


def _wrong_port(cluster: Cluster, workload: Thing) -> tuple[str, int, str] | None:
    """(host, port told, ports there are) from variables, or from what a declared Secret tells besides the password."""
    told = [(a.host, a.port) for a in addresses_of(cluster, workload) if _DB_WORD.search(a.variable) or a.port == 3306]
    for secret in cluster.of("Secret"):
        if secret.name in _secrets(workload):
            values = mapping(secret.fields, "values")
            hosts = [str(v) for k, v in values.items() if k.lower().endswith("host")]
            ports = [int(str(v)) for k, v in values.items() if k.lower().endswith("port") and str(v).isdigit()]
            told += [(host, port) for host in hosts for port in ports]
    for host, port in told:
        service = service_behind(cluster, host, workload.item.namespace)
        known = ports_of(service) if service else set()
        if service is None or not port or not known or port in known:
            continue
        if _is_database(cluster, service.name, _MYSQL, 3306):
            return host, port, ", ".join(map(str, sorted(known)))
    return None


def _secrets(workload: Thing) -> set[str]:
    named: set[str | None] = {
        text(v, "ref") for v in objects(spec_of(workload), "volumes") if text(v, "kind") == "Secret"
    }
    for container in template_containers(workload):
        for key in ("env", "env_from"):
            named |= {text(e, "ref") for e in objects(container, key) if text(e, "from") == "Secret"}
    return {name for name in named if name}


def database_of(cluster: Cluster, app: str) -> str | None:
    """The application behind the database that an application uses: by its variables, its calls, or the only one."""
    workload = cluster.workload_of(app)
    hosts = [a.host for a in addresses_of(cluster, workload)] if workload else []
    if workload:
        for secret in cluster.of("Secret"):
            if secret.name in _secrets(workload):
                hosts += [str(v) for k, v in mapping(secret.fields, "values").items() if k.lower().endswith("host")]
    for host in hosts:
        service = service_behind(cluster, host, workload.item.namespace if workload else None)
        behind = cluster.app_behind(service) if service else ""
        if _is_database(cluster, behind):
            return behind
    called = [c for c in cluster.graph.callees.get(app, ()) if _is_database(cluster, c)]
    if called:
        return called[0]
    every = sorted({w.app for w in cluster.workloads if _is_database(cluster, w.app)})
    return every[0] if len(every) == 1 else None


def _is_database(cluster: Cluster, app: str, engines: re.Pattern[str] = _ENGINES, *ports: int) -> bool:
    """By the image a workload runs, or the port its container declares."""
    workload = cluster.workload_of(app)
    if workload is None and (service := cluster.services.get(app)) is not None:
        workload = cluster.workload_of(cluster.app_behind(service))
    for container in template_containers(workload) if workload else ():
        image = (text(container, "image") or "").partition("@")[0]
        declared = {number(p, "port") for p in objects(container, "ports")}
        if engines.search(image.rpartition(":")[0] or image) or declared & set(ports or (3306, 5432)):
            return True
    return False


def _match(component: str, cause: str, confidence: float, source: Line | Thing, words: str, disproof: str) -> Match:  # noqa: PLR0917
    if isinstance(source, Line) and not source.risen:
        confidence *= 0.4
    data: JsonObject = {"object": component.partition("/")[2], "service": component.partition("/")[2]}
    if isinstance(source, Line):
        data |= {"count": source.count, "line": source.line[:240]}
    kind = _K.CONNECTIONS_AT_LIMIT if cause == "db_connection_exhaustion" else _K.LOG_TEMPLATE_ROSE
    return Match(component, cause, confidence, kind, words, disproof, (source.evidence,), data)


SIGNATURES = (credentials_refused, user_differs, connections_used_up, read_only, port_wrong)
