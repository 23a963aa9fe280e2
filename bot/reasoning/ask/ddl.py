"""CREATE TABLE statements of any dialect as tables; used where a schema is given as text."""

from __future__ import annotations

from sqlglot import exp, parse

from bot.reasoning.ask.model import Column, Table

_SQLGLOT = {"mssql": "tsql"}


def tables_of(ddl: str, dialect: str) -> tuple[Table, ...]:
    """The tables that the text creates, with keys and references; other statements are passed over."""
    return tuple(
        _table(statement.this, dialect)
        for statement in parse(ddl, dialect=_SQLGLOT.get(dialect, dialect))
        if isinstance(statement, exp.Create) and isinstance(statement.this, exp.Schema)
    )


def _table(schema: exp.Schema, dialect: str) -> Table:
    named = schema.this
    name = f"{named.db}.{named.name}" if named.db else named.name
    keys, references = _constraints(schema)
    columns = (
        _column(definition, keys, references, dialect)
        for definition in schema.expressions
        if isinstance(definition, exp.ColumnDef)
    )
    return Table(name, tuple(columns))


def _column(definition: exp.ColumnDef, keys: set[str], references: dict[str, tuple[str, str]], dialect: str) -> Column:
    kinds = [constraint.kind for constraint in definition.constraints]
    inline = next((k for k in kinds if isinstance(k, exp.Reference)), None)
    primary = definition.name in keys or any(isinstance(k, exp.PrimaryKeyColumnConstraint) for k in kinds)
    declared = definition.args.get("kind")
    return Column(
        name=definition.name,
        type=declared.sql(dialect="postgres").lower() if declared is not None else "text",
        references=_referred(inline) if inline is not None else references.get(definition.name),
        primary=primary,
    )


def _constraints(schema: exp.Schema) -> tuple[set[str], dict[str, tuple[str, str]]]:
    keys: set[str] = set()
    references: dict[str, tuple[str, str]] = {}
    for part in schema.find_all(exp.PrimaryKey, exp.ForeignKey):
        names = [inner.name for inner in part.expressions]
        if isinstance(part, exp.PrimaryKey):
            keys |= set(names)
        elif len(names) == 1 and isinstance(part.args.get("reference"), exp.Reference):
            references[names[0]] = _referred(part.args["reference"])
    return keys, references


def _referred(reference: exp.Reference) -> tuple[str, str]:
    """(table, column); the column is empty where the text leaves it out."""
    target = reference.this
    if isinstance(target, exp.Schema):
        table = target.this
        column = target.expressions[0].name if target.expressions else ""
    else:
        table, column = target, ""
    return (f"{table.db}.{table.name}" if table.db else table.name), column
