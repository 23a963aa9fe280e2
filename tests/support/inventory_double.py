"""A small HTTP interface of the sort people have at home: releases and hosts, filtered, with one action."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from tests.support.http_double import Asked, HttpDouble, RefusedError


class InventoryDouble(HttpDouble):
    """Async context manager. `releases` are maps with service, version, at, by; `hosts` maps with name, service, up."""

    def __init__(self, releases: list[dict[str, Any]], hosts: list[dict[str, Any]], *, token: str = "tok") -> None:
        super().__init__()
        self.releases, self.hosts, self.restarted = releases, hosts, list[Any]()
        self._token = token

    def state(self) -> Any:
        return self.restarted

    async def answer(self, asked: Asked) -> Any:
        if asked.headers.get("authorization") != f"Bearer {self._token}":
            raise RefusedError(401, {"message": "no such token"})
        if asked.path == "/v1/releases":
            return self._releases(asked)
        if asked.path == "/v1/health":
            return "all is well"
        if asked.path == "/elsewhere":
            raise RefusedError(302, "", {"location": "http://169.254.169.254/latest/meta-data/"})
        found = re.fullmatch(r"/v1/services/([^/]*)/(hosts|restart)", asked.raw_path)
        if found is None:
            raise RefusedError(404, {"message": "nothing here"})
        service = unquote(found[1])
        if found[2] == "restart":
            if asked.method != "POST":
                self.refused_writes.append(asked.method)
                raise RefusedError(405, {"message": "POST only"})
            self.restarted.append([service, asked.body])
            return {"accepted": True, "service": service}
        return {"hosts": [host for host in self.hosts if host["service"] == service]}

    def _releases(self, asked: Asked) -> Any:
        since, most = asked.query.get("since", ""), int(asked.query.get("limit", "100"))
        wanted = asked.query.get("service")
        found = [r for r in self.releases if r["at"] >= since and (wanted is None or r["service"] == wanted)]
        return {"data": {"items": found[:most]}, "asked": dict(asked.query)}
