"""Aggregations by allow-list: no script, bounded buckets."""

from __future__ import annotations

import re

from connectors.guards import elastic_query
from connectors.guards.model import RefusalError
from connectors.guards.wire import integer

MAX_BUCKETS = 1_000_000
_METRIC = frozenset(
    """
    avg sum min max stats extended_stats value_count cardinality percentiles percentile_ranks rate weighted_avg
    median_absolute_deviation top_hits top_metrics string_stats boxplot t_test geo_bounds geo_centroid matrix_stats
    """.split()
)
_BUCKET = frozenset(
    """
    terms date_histogram histogram auto_date_histogram filter filters range date_range ip_range missing nested
    reverse_nested significant_terms significant_text rare_terms multi_terms composite sampler random_sampler
    diversified_sampler global adjacency_matrix geohash_grid geotile_grid geohex_grid geo_distance categorize_text
    variable_width_histogram ip_prefix time_series children parent frequent_item_sets
    """.split()
)
_PIPELINE = frozenset(
    """
    bucket_sort derivative cumulative_sum cumulative_cardinality avg_bucket max_bucket min_bucket sum_bucket
    stats_bucket extended_stats_bucket percentiles_bucket serial_diff normalize change_point moving_percentiles
    bucket_correlation bucket_count_ks_test inference_free
    """.split()
)
_SIZED = frozenset(
    {
        "terms",
        "multi_terms",
        "significant_terms",
        "significant_text",
        "composite",
        "categorize_text",
        "geohash_grid",
        "geotile_grid",
    }
)


def check_aggs(aggs: object) -> None:
    """Refuse unknown aggregations, scripts, and products of bucket sizes over a million."""
    stack: list[tuple[object, float, int]] = [(aggs, 1.0, 0)]
    seen = 0
    while stack:
        level, buckets, depth = stack.pop()
        if not isinstance(level, dict) or depth > 8:
            raise RefusalError("Aggregations must be objects, at most eight levels deep.")
        for name, agg in level.items():
            seen += 1
            if seen > 200 or not isinstance(agg, dict):
                raise RefusalError(f"The aggregation '{name[:40]}' is not read here.")
            made = buckets * _one(agg)
            if made > MAX_BUCKETS:
                raise RefusalError("The aggregation would make more than a million buckets. Lower its sizes.")
            stack.extend((agg[key], made, depth + 1) for key in ("aggs", "aggregations") if key in agg)


def _one(agg: dict[str, object]) -> float:
    kinds = [key for key in agg if key not in {"aggs", "aggregations", "meta"}]
    if len(kinds) != 1:
        raise RefusalError("An aggregation has exactly one kind.")
    kind, options = kinds[0], agg[kinds[0]]
    if kind not in _METRIC | _BUCKET | _PIPELINE:
        raise RefusalError(
            f"The aggregation '{kind[:40]}' is not on the list of harmless ones. Use terms, date_histogram or metrics."
        )
    if kind == "filter":
        elastic_query.check_query(options)
        return 1.0
    if not isinstance(options, dict):
        raise RefusalError(f"The aggregation '{kind}' must be an object.")
    if kind in {"filters", "adjacency_matrix"}:
        return _filters(options)
    elastic_query.check_options(
        {key: value for key, value in options.items() if key not in {"background_filter", "filter"}}
    )
    for key in ("background_filter", "filter"):
        if key in options:
            elastic_query.check_query(options[key])
    return _buckets(kind, options)


def _filters(options: dict[str, object]) -> float:
    found = options.get("filters", {})
    clauses = list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else []
    for clause in clauses:
        elastic_query.check_query(clause)
    return float(max(1, len(clauses)))


def _buckets(kind: str, options: dict[str, object]) -> float:
    if kind == "top_hits":
        integer(options.get("size", 3), what="size of top_hits", most=100)
    if kind in {"date_histogram", "histogram"}:
        interval = str(
            options.get("fixed_interval") or options.get("calendar_interval") or options.get("interval") or ""
        )
        if re.fullmatch(r"\d+(ms|micros|nanos)", interval):
            raise RefusalError("The interval is below one second. Use 1s or more.")
        return 10.0
    if kind in _SIZED:
        return float(max(1, integer(options.get("size", 10), what=f"size of {kind}", most=10_000)))
    return 1.0
