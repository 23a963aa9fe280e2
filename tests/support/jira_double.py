"""A Jira site, Cloud or Data Center, over stored issues: JQL is evaluated, both ways of paging, workflow, permissions.

Shapes follow the REST v3 reference of Jira Cloud and the v2 reference of Data Center (read 2026-11).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.support.http_double import Asked, HttpDouble, RefusedError

NEXT = {"To Do": ("In Progress",), "In Progress": ("Done", "To Do"), "Done": ("To Do",)}
_PART = re.compile(r'\s*(\(|\)|AND\b|OR\b|ORDER BY\b|[\w]+\s*(?:>=|<=|!=|=|~|<|>)\s*(?:"(?:\\.|[^"\\])*"|[\w\-]+))')


class JiraDouble(HttpDouble):
    """Async context manager. `issues` maps a key to its fields."""

    def __init__(
        self,
        issues: Mapping[str, dict[str, Any]],
        *,
        cloud: bool,
        token: str = "tok",
        email: str = "bot@acme.test",
        may: frozenset[str] = frozenset({"CREATE_ISSUES", "ADD_COMMENTS"}),
    ) -> None:
        super().__init__()
        self.issues = {key: dict(fields) for key, fields in issues.items()}
        self.links: list[Any] = []
        self.cloud, self.may, self.project_id = cloud, may, "100"
        packed = base64.b64encode(f"{email}:{token}".encode()).decode()
        self._authorization = f"Basic {packed}" if cloud else f"Bearer {token}"
        self._root = "/rest/api/3" if cloud else "/rest/api/2"

    def state(self) -> Any:
        return [self.issues, self.links]

    async def answer(self, asked: Asked) -> Any:
        if asked.headers.get("authorization") != self._authorization:
            raise RefusedError(401, "Client must be authenticated to access this resource.")
        path = asked.path.removeprefix(self._root)
        if path == asked.path:
            raise RefusedError(404, {"errorMessages": ["null for uri"]})
        if path == "/myself":
            return {"accountId": "1", "name": "bot", "displayName": "Inquest Bot"}
        if path == "/mypermissions":
            names = asked.query.get("permissions", "").split(",") if self.cloud else [*self.may, "LINK_ISSUES"]
            return {"permissions": {name: {"key": name, "havePermission": name in self.may} for name in names}}
        if path == ("/project/search" if self.cloud else "/project"):
            projects = [{"id": "100", "key": "OPS", "name": "Operations"}]
            return {"values": projects, "isLast": True} if self.cloud else projects
        if path == "/project/OPS":
            return {"id": self.project_id, "key": "OPS", "issueTypes": [{"name": "Task"}, {"name": "Incident"}]}
        if path == ("/search/jql" if self.cloud else "/search"):
            return self._search(asked.body)
        return self._issue(asked, path)

    def _search(self, body: Any) -> Any:
        found = [key for key, fields in self.issues.items() if _fits(body["jql"], key, fields)]
        if "ORDER BY created DESC" in body["jql"]:
            found.sort(key=lambda key: str(self.issues[key]["created"]), reverse=True)
        begin = int(body.get("nextPageToken") or 0) if self.cloud else int(body.get("startAt", 0))
        end = begin + min(int(body.get("maxResults", 50)), 100)
        page = [self._shown(key, body["fields"]) for key in found[begin:end]]
        if self.cloud:
            more = {"nextPageToken": str(end)} if end < len(found) else {}
            return {"issues": page, "isLast": end >= len(found), **more}
        return {"startAt": begin, "maxResults": end - begin, "total": len(found), "issues": page}

    def _shown(self, key: str, wanted: list[str]) -> Any:
        fields = {**self.issues[key], "issuelinks": self._links(key)}
        return {"id": str(1000 + int(key.split("-")[1])), "key": key, "fields": {n: fields.get(n) for n in wanted}}

    def _links(self, key: str) -> list[Any]:
        """As either end sees them: the inward issue has the outward one, and the other way round."""
        found = []
        for one in self.links:
            ends = {"inwardIssue": one["outwardIssue"], "outwardIssue": one["inwardIssue"]}
            for mine, other in (("inwardIssue", "outwardIssue"), ("outwardIssue", "inwardIssue")):
                if one[mine]["key"] == key:
                    found.append({"id": one["id"], "type": one["type"], other: ends[mine]})
        return found

    def _issue(self, asked: Asked, path: str) -> Any:
        if asked.method == "POST" and path == "/issue":
            return self._create(asked.body["fields"])
        if asked.method == "POST" and path == "/issueLink":
            self.links.append({**asked.body, "id": str(500 + len(self.links))})
            return ""
        if asked.method == "DELETE" and (link := re.fullmatch(r"/issueLink/(\d+)", path)):
            self.links = [one for one in self.links if one["id"] != link[1]]
            return ""
        found = re.fullmatch(r"/issue/([A-Z]+-\d+)(/comment|/transitions)?", path)
        if found is None or found[1] not in self.issues:
            raise RefusedError(
                404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]}
            )
        key, part = found[1], found[2]
        fields = self.issues[key]
        if part == "/transitions" and asked.method == "GET":
            return {"transitions": _transitions(fields)}
        if part is None and asked.method == "GET":
            return self._shown(key, asked.query["fields"].split(","))
        if part == "/comment" and asked.method == "GET":
            comments = fields.get("comment", {"comments": []})["comments"]
            return {"comments": comments[::-1] if asked.query.get("orderBy") == "-created" else comments}
        if asked.method != "POST" or part is None:
            self.refused_writes.append(f"{asked.method} {path}")
            raise RefusedError(405, {"errorMessages": ["Method not allowed"]})
        if part == "/comment":
            comment = {
                "created": "2026-03-01T12:00:00.000+0000",
                "author": {"displayName": "Inquest Bot"},
                **asked.body,
            }
            fields.setdefault("comment", {"comments": []})["comments"].append(comment)
            return comment
        chosen = next((t for t in _transitions(fields) if t["id"] == asked.body["transition"]["id"]), None)
        if chosen is None:
            raise RefusedError(400, {"errorMessages": ["Transition id is not valid for this issue."], "errors": {}})
        fields["status"] = chosen["to"]
        return ""

    def _create(self, fields: dict[str, Any]) -> Any:
        if fields["project"]["key"] != "OPS":
            raise RefusedError(400, {"errorMessages": [], "errors": {"project": "valid project is required"}})
        key = f"OPS-{len(self.issues) + 1}"
        stamp = "2026-03-01T12:00:00.000+0000"
        self.issues[key] = {**fields, "created": stamp, "updated": stamp, "status": {"name": "To Do"}}
        return {"id": "2000", "key": key}


def _transitions(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = NEXT[fields["status"]["name"]]
    return [{"id": str(10 + n), "name": f"Move to {name}", "to": {"name": name}} for n, name in enumerate(names)]


def _fits(jql: str, key: str, fields: Mapping[str, Any]) -> bool:
    tokens, at = [], 0
    while jql[at:].strip():
        found = _PART.match(jql, at)
        if found is None:
            raise RefusedError(
                400, {"errorMessages": [f"Error in the JQL Query: near '{jql[at : at + 10]}'"], "errors": {}}
            )
        if found[1] == "ORDER BY":
            break
        tokens.append(found[1])
        at = found.end()
    answer, rest = _any(tokens, key, fields)
    if rest:
        raise RefusedError(400, {"errorMessages": ["Error in the JQL Query: unbalanced"], "errors": {}})
    return answer


def _any(tokens: list[str], key: str, fields: Mapping[str, Any]) -> tuple[bool, list[str]]:
    found, rest = _all(tokens, key, fields)
    while rest and rest[0] == "OR":
        more, rest = _all(rest[1:], key, fields)
        found = found or more
    return found, rest


def _all(tokens: list[str], key: str, fields: Mapping[str, Any]) -> tuple[bool, list[str]]:
    found, rest = _one(tokens, key, fields)
    while rest and rest[0] == "AND":
        more, rest = _one(rest[1:], key, fields)
        found = found and more
    return found, rest


def _one(tokens: list[str], key: str, fields: Mapping[str, Any]) -> tuple[bool, list[str]]:
    if tokens and tokens[0] == "(":
        found, rest = _any(tokens[1:], key, fields)
        return found, rest[1:]
    match = re.match(r"(\w+)\s*(>=|<=|!=|=|~|<|>)\s*(.*)", tokens[0] if tokens else "", re.DOTALL)
    if match is None:
        raise RefusedError(400, {"errorMessages": ["Error in the JQL Query"], "errors": {}})
    name, operator, value = match[1], match[2], match[3].strip('"')
    return _compare(name, operator, value, key, fields), tokens[1:]


def _compare(name: str, operator: str, value: str, key: str, fields: Mapping[str, Any]) -> bool:
    if name == "text":
        return value.lower() in f"{fields.get('summary')} {fields.get('description')}".lower()
    if name == "labels":
        return (value in (fields.get("labels") or [])) == (operator == "=")
    if name in ("created", "updated"):
        at = datetime.fromisoformat(fields[name])
        edge = datetime.fromisoformat(value).replace(tzinfo=UTC)
        return bool({">=": at >= edge, "<": at < edge, ">": at > edge, "<=": at <= edge}[operator])
    held = {"project": key.split("-", maxsplit=1)[0], "key": key, "status": fields["status"]["name"]}.get(name)
    if held is None:
        raise RefusedError(400, {"errorMessages": [f"Field '{name}' does not exist"], "errors": {}})
    return bool((held == value) == (operator == "="))
