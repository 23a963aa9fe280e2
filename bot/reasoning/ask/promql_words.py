"""Phrases of questions about metrics, and words that say the same."""
# ruff: noqa: E501 - patterns stay on one line

from __future__ import annotations

import re

QUANTILE = re.compile(
    r"\bp(?P<p>\d{2,3})\b|\b(?P<n>\d{2}(?:\.\d+)?)(?:th|st|nd|rd)?[ -]percentile\b|\b(?P<m>median)\b", re.I
)
TOP = re.compile(
    r"\b(?P<top>top|bottom)\s+(?P<n>\d+)\b|\b(?P<n2>\d+)\s+(?P<sup2>busiest|slowest|highest|largest|biggest|lowest)\b"
    r"|\b(?P<sup>highest|most|largest|biggest|slowest|busiest|worst|lowest|least|fewest|smallest|fastest)\b",
    re.I,
)
BOUND = re.compile(
    r"\b(?P<op>more than|greater than|higher than|over|above|exceed(?:s|ing)?|at least|less than|lower than|fewer than|below|under|at most)"
    r"\s+(?P<n>\d+(?:\.\d+)?)\s*(?P<u>%|percent|ms|milliseconds|seconds?|s|gb|gib|mb|mib|kb|bytes|cores?|per second|rps)?(?!\w)",
    re.I,
)
OPERATORS = {
    "at least": ">=",
    "at most": "<=",
    "less than": "<",
    "lower than": "<",
    "fewer than": "<",
    "below": "<",
    "under": "<",
}
GROUP = re.compile(
    r"\b(?:by|per|for each|for every|each|grouped by|broken down by|across)\s+(?P<label>[a-z_]+(?:\s+[a-z_]+)?)", re.I
)
# Labels that say the same, the usual one first; a question may use any of these words for any of them.
LABELS_ALIKE = tuple(
    tuple(line.split("|"))
    for line in (
        "service|app|application|job|service_name",
        "database|datname|db|dbname|db_name",
        "status code|status|status_code|code|http_code|response_code|response code",
        "consumer group|consumergroup|consumer_group|group|group_id",
        "instance|node|host|hostname|machine|server",
        "endpoint|route|path|handler|uri|url",
        "pod|pod_name",
        "deployment|workload",
        "result|outcome|status",
        "disk|device|mountpoint|volume",
        "filesystem|mountpoint|device",
        "container|container_name",
        "grpc service|grpc_service|service",
        "grpc method|grpc_method|rpc|rpc method|method",
        "queue|queue_name",
        "provider|vendor",
        "job|job_name|task",
    )
)
UNITS = {
    "%": 0.01,
    "percent": 0.01,
    "ms": 0.001,
    "milliseconds": 0.001,
    "gb": 1e9,
    "gib": 2**30,
    "mb": 1e6,
    "mib": 2**20,
    "kb": 1e3,
}
SERVERS = re.compile(r"\b(?:server errors?|5xx|http 5xx|internal errors?)\b", re.I)
CLIENTS = re.compile(r"\b(?:client errors?|4xx)\b", re.I)
OKS = re.compile(r"\b(?:successful|2xx|succeeded)\b", re.I)
RATIO = re.compile(
    r"\b(?:error|failure) (?:ratio|rate|percentage|percent)\b|\b(?:percentage|share|ratio|fraction|proportion|percent|rate) of (?:requests |calls )?(?:errors?|failed|failures?|failing|5xx|erroneous)(?: requests| calls)?\b|\bsuccess (?:rate|ratio)\b|\bavailability\b|\b(?:percentage|share|ratio|fraction|proportion|percent) of (?P<of>[\w ]+?) (?:that |which |are |is )*(?:failed|fail|failing|errors?|5xx|erroring)\b",
    re.I,
)
DIRECTIONS = {
    **dict.fromkeys(("in", "rx", "ingress", "receive"), ("incoming", "inbound")),
    **dict.fromkeys(("out", "tx", "egress", "transmit"), ("outgoing", "outbound")),
}
"""How people say the two values of a label that tells a direction."""
OF = r"(?:percent(?:age)?|share|fraction|ratio|proportion|how much) of (?:the |their |its )?"
SATURATION = re.compile(
    rf"\b{OF}(?P<free2>free|available|used|unused) (?P<what2>[a-z ]+?)(?= by| per| on| of| for|$|\?)"
    rf"|\b{OF}(?P<what>[a-z ]+?)\s+(?:(?:is|are|that is|still)\s+)*(?P<free>used|in use|free|available|left|full|unused|remaining)\b"
    r"|\b(?:saturation|utili[sz]ation|saturated|how full|percent(?:age)? (?:used|full|in use)|usage (?:ratio|percentage)|fullness)\b"
    r"|\b(?:as|in) (?:a )?(?:percent(?:age)?|share|fraction|ratio)(?: of (?:the |its )?(?:max\w*|limit|total|capacity|size))?\b",
    re.I,
)
LEFT = frozenset({"free", "available", "left", "unused", "remaining"})
SHARE = re.compile(r"\b(?:what )?(?:percent(?:age)?|share|fraction|ratio|proportion) of\b", re.I)
STATE_RATE = re.compile(r"\b(?P<w>[a-z]{4,}) (?:rate|ratio|percentage)\b", re.I)
STATE_LABELS = frozenset({"result", "outcome", "state", "status", "phase", "reason", "code", "grpc_code"})
RATE = re.compile(
    r"\b(?:per second|rate of|rates? (?=by|per|of|for)|rps|qps|throughput|rate)\b|\b(?:per minute)\b", re.I
)
INCREASE = re.compile(
    r"\b(?:how many|number of|count of|increase (?:of|in)|increase|how often|total number of|total)\b", re.I
)
AGGREGATES = (
    ("avg", r"\b(?:average|avg|mean)\b"),
    ("max", r"\b(?:maximum|max|peak|highest value of)\b"),
    ("min", r"\b(?:minimum|min)\b"),
    ("sum", r"\b(?:total|sum(?: of)?|combined|overall)\b"),
)
REFUSE = re.compile(
    r"\b(?:delete|drop|restart|kill|scale|silence|why|predict|forecast|correlat\w+|compare\w*|versus|vs|anomal\w+|should|tomorrow|unusual|trend|normal|baseline|deviation|growth|cause[ds]?|best|root|caused|because|will|next|weather|who|deployed?|version|cost|price|money|revenue|customers?)\b",
    re.I,
)
FILLER = frozenset(
    """current currently right now value level number count rate per second service services app application
    instance instances pod pods endpoint endpoints many much often total average avg mean max maximum min minimum
    peak top bottom highest lowest most least busiest slowest fastest largest biggest smallest fewest have having
    has where whose than graph chart plot show over last latest there use uses using running serve served serving handle handled
    go going see seen across get got metric metrics group grouped sum sorted
    and with or be not any usage consumption used consumed spent""".split()
)


NO_LABELS = frozenset("second minute hour day week the a an all each every each request call default now time".split())
