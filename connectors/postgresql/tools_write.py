"""Ending what one session does: only a named backend, and only while it still runs the named statement.

Both run in one statement that names pid, start of the backend and digest of its query, so that a pid that was given
to somebody else meanwhile is not hit. They need the role pg_signal_backend, and no right to write.
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from connectors._writes import OutcomeArguments, WriteArguments, WritingConnector, outcome_item
from connectors.base import Answer, Ask, tool
from connectors.errors import NotFound, Rejected
from connectors.model import Clock, Effect, EvidenceKind, Limits, Objects, Preview, SourceRef, ToolCall
from connectors.postgresql.config import PostgresqlConfig
from connectors.postgresql.link import PostgresLink
from connectors.redaction import redact_text

_OBJECTS = (EvidenceKind.OBJECTS,)
_SHOWN = 400

SESSION = """
select a.pid, a.usename::text as "user", a.application_name as application, a.state, left(a.query, 4000) as query,
       a.backend_start::text as started, md5(a.query) as version,
       extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_s
from pg_stat_activity a
where a.pid = $1 and a.pid <> pg_backend_pid() and a.datname = current_database()
  and coalesce(a.backend_type, 'client backend') = 'client backend'
"""
_SIGNAL = """
select {function}(a.pid) as done from pg_stat_activity a
where a.pid = $1 and a.backend_start::text = $2 and md5(a.query) = $3 and a.pid <> pg_backend_pid()
  and a.datname = current_database() and coalesce(a.backend_type, 'client backend') = 'client backend'
"""
CANCEL = _SIGNAL.format(function="pg_cancel_backend")
TERMINATE = _SIGNAL.format(function="pg_terminate_backend")


class BackendArguments(WriteArguments):
    """One session, named by its pid and by what it runs."""

    pid: int = Field(ge=1)
    query: str = Field(min_length=1, max_length=4_000, description="The statement as list_activity shows it.")


class WriteTools(WritingConnector[PostgresqlConfig]):
    """What may be ended."""

    config: PostgresqlConfig
    name: str
    clock: Clock
    link: PostgresLink

    @property
    def writes_on(self) -> bool:
        return self.config.writes

    @tool("Cancel the statement that a session runs; the session stays.", returns=_OBJECTS, effect=Effect.WRITE)
    async def cancel_backend(self, arguments: BackendArguments, ask: Ask) -> Answer:
        return await self._signal(CANCEL, arguments, ask)

    @tool("End a session; its transaction is rolled back.", returns=_OBJECTS, effect=Effect.WRITE)
    async def terminate_backend(self, arguments: BackendArguments, ask: Ask) -> Answer:
        return await self._signal(TERMINATE, arguments, ask)

    @tool("Whether a cancel or an end was carried out, told from the session itself.", returns=_OBJECTS)
    async def read_outcome(self, arguments: OutcomeArguments, ask: Ask) -> Answer:
        wanted = self._write_arguments(ToolCall(connector="", tool=arguments.tool, arguments=arguments.arguments))
        records = await self.link.fetch(SESSION, wanted.pid, ask=ask)
        return self._answer(_outcome(arguments.tool, wanted, records[0] if records else None), SESSION)

    async def preview(self, call: ToolCall) -> Preview:
        """Who would be hit, and what would be lost; nothing is sent to the session."""
        self._allowed()
        arguments = self._write_arguments(call)
        session = await self._session(arguments, Ask(None, Limits(), self.clock))
        word = "cancelled" if call.tool == "cancel_backend" else "ended, its transaction rolled back"
        state = session["state"] or "hidden"
        shown = " ".join(redact_text(session["query"]).split())[:_SHOWN]
        who = f"{session['user']}, {session['application']}"
        age = session["transaction_s"]
        warnings = [f"Its transaction is {age:.0f} s old; rolling it back may take a while."] if age else []
        return Preview(
            target=f"session {arguments.pid} of {self.config.database}",
            target_uid=session["started"],
            target_version=session["version"],
            diff=f"session {arguments.pid} ({who}): {word}\nstate: {state}\n{shown}",
            warnings=tuple(warnings),
        )

    async def _session(self, arguments: BackendArguments, ask: Ask) -> Any:
        records = await self.link.fetch(SESSION, arguments.pid, ask=ask)
        if not records:
            raise NotFound(f"Session {arguments.pid} has ended already.")
        if not _same_statement(records[0]["query"], arguments.query):
            raise Rejected(f"Session {arguments.pid} runs another statement by now. Nothing was done.")
        return records[0]

    async def _signal(self, sql: str, arguments: BackendArguments, ask: Ask) -> Answer:
        self._allowed()
        if not arguments.uid or not arguments.version:
            raise Rejected("A change names the uid and version of its target; preview it first.")
        records = await self.link.fetch(sql, arguments.pid, arguments.uid, arguments.version, ask=ask)
        if not records:
            raise Rejected(f"Session {arguments.pid} ended or runs another statement by now. Nothing was done.")
        if not records[0]["done"]:
            raise Rejected(f"The server did not send the signal to session {arguments.pid}.")
        item = outcome_item(f"session {arguments.pid}", applied=True, settled=True, text="the signal was sent")
        return self._answer(item, sql)

    def _answer(self, item: Any, sql: str) -> Answer:
        return Answer(Objects(items=(item,)), SourceRef(query=sql.strip(), language="postgresql"))


def _same_statement(runs: str, named: str) -> bool:
    """Alike but for white space and for what is masked when it is shown; a shown one may be cut at its end."""
    shown, wanted = " ".join(redact_text(runs).split()), " ".join(named.split())
    return shown == wanted or (len(wanted) >= 80 and shown.startswith(wanted))


def _outcome(name: str, arguments: Any, session: Any) -> Any:
    where = f"session {arguments.pid}"
    if session is None or session["started"] != arguments.uid:
        return outcome_item(where, applied=True, settled=True, text="the session has ended")
    if name == "cancel_backend" and (session["version"] != arguments.version or session["state"] != "active"):
        return outcome_item(where, applied=True, settled=True, text="the statement does not run any more")
    return outcome_item(where, applied=False, settled=False, text="the session goes on as before")
