"""ClickHouse's HTTP interface in front of its real engine (chdb), run by the Python that has chdb installed.

The engine does what it does: parsing, settings, `readonly`, limits, system tables, KILL. This file only plays what the
in-process engine lacks: users with passwords, query ids, one statement per request, and statuses of HTTP.
usage: PYTHON clickhouse_front.py PORT FOLDER USERS_JSON   where USERS_JSON is {user: {"password", "grants": [...]}}
"""

from __future__ import annotations

import base64
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import chdb

_HTTP_ONLY = {"query", "database", "query_id", "default_format", "wait_end_of_query", "session_id", "user", "password"}
# https://github.com/ClickHouse/ClickHouse/blob/master/src/Server/HTTP/exceptionCodeToHTTPStatus.cpp
_STATUS = {36: 400, 43: 400, 53: 400, 62: 400, 27: 400, 46: 404, 47: 404, 50: 404, 60: 404, 81: 404, 115: 404,
           159: 408, 516: 403, 497: 403}  # fmt: skip
_STATEMENTS = re.compile(
    r"""('(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|--[^\n]*|/\*.*?\*/)|(;)""", re.DOTALL
)


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = ""
    users: ClassVar[dict[str, Any]] = {}

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode()
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        user = self._user()
        if user is None:
            self._fail(
                "Code: 516. DB::Exception: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
            )
            return
        try:
            self._run(parameters.get("query", "") + body, parameters, user)
        except (RuntimeError, ValueError) as error:  # chdb raises the engine's own words as a RuntimeError
            self._fail(str(error))

    def _user(self) -> str | None:
        scheme, _, value = (self.headers.get("authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        name, _, password = base64.b64decode(value).decode().partition(":")
        return name if self.users.get(name, {}).get("password") == password else None

    def _run(self, sql: str, parameters: dict[str, str], user: str) -> None:
        sql = _one_statement(sql)
        kind = parameters.get("default_format", "TabSeparated")
        connection = chdb.connect(self.folder)
        try:
            connection.query(f"USE `{parameters.get('database', 'default')}`")
            settings = {k: v for k, v in parameters.items() if k not in _HTTP_ONLY}
            if "query_id" in parameters:
                settings["log_comment"] = parameters["query_id"]
            if settings:
                pairs = ", ".join(f"{key} = {_quoted(value)}" for key, value in settings.items())
                connection.query(f"SET {pairs}")
            if sql.strip().upper() == "SHOW GRANTS":
                sql = f"SELECT arrayJoin({[str(g) for g in self.users[user]['grants']]!r}) AS GRANTS"
            killed = re.sub(r"query_id = '([0-9a-f-]+)'", r"Settings['log_comment'] = '\1'", sql)
            result = connection.query(killed if sql.startswith("KILL") else sql, kind)
            summary = {"read_rows": str(result.rows_read()), "read_bytes": str(result.bytes_read())}
            data = bytes(result.bytes() or b"")
        finally:
            connection.close()
        self._reply(200, data, {"x-clickhouse-summary": json.dumps(summary), "x-clickhouse-format": kind})

    def _fail(self, text: str) -> None:
        found = re.search(r"Code: (\d+)", text)
        code = int(found[1]) if found else 49
        words = text if found else f"Code: 49. DB::Exception: {text}. (LOGICAL_ERROR)"
        headers = {"x-clickhouse-exception-code": str(code)}
        self._reply(_STATUS.get(code, 500), f"{words} (version {chdb.engine_version})\n".encode(), headers)

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/x-ndjson" if status == 200 else "text/plain; charset=UTF-8")
        self.send_header("content-length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _one_statement(sql: str) -> str:
    sql = sql.rstrip().rstrip(";")
    if any(match[2] for match in _STATEMENTS.finditer(sql)):
        raise ValueError("Code: 62. DB::Exception: Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)")
    return sql


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    port, folder, users = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    keeper = chdb.connect(folder)  # the engine lives as long as one connection does
    Front.folder, Front.users = folder, json.loads(users)
    Server(("127.0.0.1", port), Front).serve_forever()
    keeper.close()


if __name__ == "__main__":
    main()
