"""Refuses what would cost without bound: cross joins, endless recursion, huge generators, whole-table scans.

The row, byte and time caps of the connector are the wall; this is the sentence a person gets before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlglot import exp

from connectors.guards.lexer import Token
from connectors.guards.model import GuardLimits, RefusalError
from connectors.guards.sql_census import Census
from connectors.guards.sql_joins import check_joins
from connectors.guards.sql_recursion import check_recursion

MAX_GENERATED = 1_000_000
MAX_CHAIN = 1_200
MAX_NESTED_CALLS = 5
# Functions written back as they are read. All others may be spelled out, their arguments two or three times, and
# nested often enough that grows without bound (tests/benchmarks/guard_growth.py looks for it).
_STEADY = frozenset(
    """
    Coalesce Case If Cast TryCast Upper Lower Trim Sum Count Avg Max Min Round Abs Concat ConcatWs Substring Replace
    Nullif Greatest Least DateTrunc TimestampTrunc Extract Exists JSONExtract JSONExtractScalar JSONBExtract
    JSONBExtractScalar
    """.split()
)
_STEADY_TSQL = _STEADY - {"JSONExtract", "JSONExtractScalar", "JSONBExtract", "JSONBExtractScalar"}
_PREFIXES = frozenset({"not", "-", "+", "~", "!", "case"})
_AMPLIFIERS = frozenset(
    """
    repeat lpad rpad leftpad rightpad leftpadutf8 rightpadutf8 space replicate zeroblob randomblob array_fill
    randomstring randomfixedstring randomprintableascii randomstringutf8 arraywithconstant range array_repeat
    generate_array factorial numbers numbers_mt zeros zeros_mt generate_series generaterandom
    explodinggenerateseries generateseries generatedatearray generatetimestamparray
    generate_date_array generate_timestamp_array pad unicode_repeat list_resize array_resize arrayresize
    random_bytes randomprintableascii rand_bytes
    """.split()
)
_CODES = {"Repeat", "Pad", "Space", "GenerateSeries", "ExplodingGenerateSeries", "ArrayResize", "ParseRange"}
_NUMERIC = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")
_UNITS_S = {"microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0,
            "week": 604_800.0, "month": 2.6e6, "quarter": 7.9e6, "year": 3.15e7, "sec": 1.0, "min": 60.0, "mon": 2.6e6,
            "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}  # fmt: skip
_SPAN = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)


def check_tokens(tokens: Sequence[Token]) -> None:
    """Cap what the parser is given: chains of operators, of prefix operators and of CASE."""
    prefixes = _PREFIXES.intersection([token.value.lower() for token in tokens])
    if not prefixes and len(tokens) <= MAX_CHAIN:
        return
    run = cases = chain = 0
    for token in tokens:
        value = token.value.lower() if token.kind == "word" else token.text
        run = run + 1 if value in _PREFIXES else 0
        cases += (value == "case") - (value == "end")
        chain += token.kind == "op" and value not in {",", "(", ")", ".", "=", "[", "]"}
        if run > 30 or cases > 40 or chain > MAX_CHAIN:
            raise RefusalError("The statement chains too many operators. Simplify it.")


def check_tree(census: Census, *, dialect: str, limits: GuardLimits) -> None:
    """Refuse bombs and scans without bound."""
    _check_nesting(census, _STEADY_TSQL if dialect == "mssql" else _STEADY)
    check_recursion(census)
    check_joins(census, dialect=dialect)
    _check_generators(census)
    if dialect == "bigquery" and limits.require_partition_filter:
        from connectors.guards.sql_partition import check_partition_filter

        check_partition_filter(census)


def _check_nesting(census: Census, steady: frozenset[str]) -> None:
    """Refuse calls nested so deep that writing them back could multiply the text."""
    as_read = (exp.Connector, exp.Anonymous, exp.AnonymousAggFunc)
    growing = {
        id(node) for node in census.of(exp.Func) if not isinstance(node, as_read) and type(node).__name__ not in steady
    }
    if len(growing) <= MAX_NESTED_CALLS:
        return
    depths: dict[int, int] = {}
    for node in census.tree.walk():
        depth = depths.get(id(node.parent), 0) + (id(node) in growing)
        if depth > MAX_NESTED_CALLS:
            raise RefusalError(f"Functions are nested deeper than {MAX_NESTED_CALLS} levels. Simplify the expression.")
        depths[id(node)] = depth


def _name(node: exp.Func) -> str:
    return str(node.name if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) else node.sql_name()).lower()


def _is_amplifier(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return node.name.lower() in _AMPLIFIERS
    if not isinstance(node, exp.Func) or isinstance(node, exp.Connector):
        return False
    return type(node).__name__ in _CODES or node.sql_name().lower() in _AMPLIFIERS


def _check_generators(census: Census) -> None:
    for anonymous in census.of(exp.Anonymous):
        if anonymous.name.lower() in {"printf", "format"}:
            _check_format(anonymous)
    amplifiers = [node for node in census.of(exp.Func) if _is_amplifier(node)]
    if not amplifiers:
        return
    for node in amplifiers:
        if any(_is_amplifier(inner) for inner in node.walk() if inner is not node):
            raise RefusalError("A generating function inside another multiplies without bound. Use one of them.")
        _check_amplifier(node)
    for select in census.of(exp.Select):
        product = 1.0
        for source in _sources(select):
            for call in source.find_all(exp.Func):
                product *= max(1.0, _estimate(call)) if _is_amplifier(call) else 1.0
        if product > 10 * MAX_GENERATED:
            raise RefusalError("The generated rows multiply beyond ten million. Use smaller ranges.")


def _sources(select: exp.Select) -> Iterator[exp.Expr]:
    source = select.args.get("from_")
    if source is not None:
        yield source.this
    for join in select.args.get("joins") or ():
        yield join.this


def _check_format(node: exp.Anonymous) -> None:
    if any(
        re.search(r"%[-+0 #,!]*(\*|\d{5,}|\d*\.(\*|\d{5,}))", text.this)
        for text in node.find_all(exp.Literal)
        if text.is_string
    ):
        raise RefusalError("The format asks for a very wide field. Use a width below 10,000.")


def _check_amplifier(node: exp.Expr) -> None:
    if _estimate(node) > MAX_GENERATED:
        raise RefusalError("A function would generate more than a million items. Use smaller bounds.")
    factorial = isinstance(node, exp.Func) and _name(node) == "factorial"
    if factorial and max(_numbers(node), default=0) > 170:
        raise RefusalError("The factorial of so large a number takes too long. Use at most 170.")


def _numbers(node: exp.Expr) -> list[float]:
    texts = (str(literal.this) for literal in node.find_all(exp.Literal))
    return [abs(float(text)) for text in texts if _NUMERIC.fullmatch(text)]


def _estimate(node: exp.Expr) -> float:
    """How many items or characters the call makes, as far as literals tell; 1 when they do not."""
    step = _span_s(node.args.get("step") or node.args.get("interval"))
    spans = [seconds for seconds in (_span_s(node.args.get(key)) for key in ("start", "end")) if seconds]
    if step:
        return sum(spans) / step if spans else _dated(node, step)
    if any(isinstance(inner, exp.Pow | exp.Exp | exp.BitwiseLeftShift) or _is_power(inner) for inner in node.walk()):
        return float("inf")
    numbers = [number for number in _numbers(node) if number > 1]
    if any(isinstance(inner, exp.Mul) for inner in node.walk()):
        product = 1.0
        for number in numbers:
            product *= number
        return product
    return _series(node, numbers)


def _is_power(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() in {
        "power",
        "pow",
        "exp",
        "factorial",
        "exp2",
        "exp10",
        "intexp10",
        "intexp2",
        "bitshiftleft",
    }


def _series(node: exp.Expr, numbers: Sequence[float]) -> float:
    start, end, step = (_plain_number(node.args.get(key)) for key in ("start", "end", "step"))
    if start is not None and end is not None:
        return abs(end - start) / max(abs(step or 1.0), 1e-9)
    return max(numbers, default=1.0)


def _plain_number(node: object) -> float | None:
    if isinstance(node, exp.Neg):
        inner = _plain_number(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Literal) and _NUMERIC.fullmatch(str(node.this)):
        return float(node.this)
    return None


def _span_s(node: object) -> float:
    """Seconds named by the intervals inside, 0 when there are none."""
    if not isinstance(node, exp.Expr):
        return 0.0
    total = 0.0
    for interval in node.find_all(exp.Interval):
        unit = str(interval.args.get("unit") or "")
        text = f"{interval.name or ''} {unit}"
        total += sum(
            abs(float(count)) * _UNITS_S.get(name.lower().rstrip("s") or "s", 1.0)
            for count, name in _SPAN.findall(text)
        )
    if not total and isinstance(node, exp.Literal | exp.Cast):
        total = sum(
            abs(float(count)) * _UNITS_S.get(name.lower().rstrip("s") or "s", 0.0)
            for count, name in _SPAN.findall(node.name)
        )
    return total


def _dated(node: exp.Expr, step_s: float) -> float:
    years = [
        int(year)
        for literal in node.find_all(exp.Literal)
        for year in re.findall(r"\b([0-9]{4,6})-\d\d", str(literal.this))
    ]
    if len(years) >= 2 and max(years) - min(years) > 1:
        return (max(years) - min(years)) * 3.15e7 / step_s
    return 1e6 + 1 if step_s < 1e-2 else 1.0


def cap_rows(tree: exp.Expr, *, max_rows: int, dialect: str, notes: list[str]) -> exp.Expr:
    """Return the query with its outermost LIMIT set or lowered."""
    if not isinstance(tree, exp.Select | exp.SetOperation):
        return tree
    limit = tree.args.get("limit")
    asked = limit.args.get("count") if isinstance(limit, exp.Fetch) else getattr(limit, "expression", None)
    loose = limit is not None and (limit.args.get("limit_options") is not None or limit.args.get("expressions"))
    if asked is not None and not loose and (number := _plain_number(asked)) is not None and number <= max_rows:
        return tree
    if dialect == "mssql" and isinstance(tree, exp.SetOperation):
        return tree
    notes.append(f"limited to {max_rows} rows")
    cap = exp.Limit(expression=exp.Literal.number(max_rows))
    if limit is not None and limit.args.get("expressions"):
        return (
            exp.select("*")
            .from_(exp.Subquery(this=tree, alias=exp.TableAlias(this=exp.to_identifier("capped"))))
            .limit(max_rows)
        )
    tree.set("limit", cap)
    return tree
