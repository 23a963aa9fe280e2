# ruff: noqa: E501 - lists, forms and sentences stay on one line
"""kubectl commands and flags that only read, by their long names."""

BOOLS = frozenset(
    """
    all-namespaces show-labels no-headers ignore-not-found show-managed-fields show-kind timestamps all-containers
    all-pods previous prefix ignore-errors show-events containers watch recursive namespaced short client
    server-print sum use-protocol-buffers show-capacity quiet output-watch-events
    allow-missing-template-keys cached list follow
    """.split()
)
SHORT = {
    "n": "namespace",
    "A": "all-namespaces",
    "o": "output",
    "l": "selector",
    "L": "label-columns",
    "c": "container",
    "p": "previous",
    "w": "watch",
    "f": "follow",
    "q": "quiet",
}
GLOBAL_VALUES = frozenset({"namespace", "request-timeout"})
_GET = frozenset(
    """
    all-namespaces output selector field-selector sort-by label-columns show-labels no-headers ignore-not-found
    show-managed-fields show-kind chunk-size limit watch raw server-print subresource allow-missing-template-keys
    """.split()
)
VERBS: dict[str, frozenset[str]] = {
    "get": _GET,
    "describe": frozenset("all-namespaces selector show-events chunk-size".split()),
    "logs": frozenset(
        """
        container all-containers all-pods previous prefix since since-time tail timestamps limit-bytes selector
        max-log-requests ignore-errors all-namespaces
        """.split()
    ),
    "top": frozenset(
        "all-namespaces selector field-selector sort-by no-headers containers sum use-protocol-buffers show-capacity".split()
    ),
    "events": frozenset("all-namespaces output types for no-headers chunk-size watch".split()),
    "rollout": frozenset("revision output watch timeout selector".split()),
    "explain": frozenset("recursive api-version output".split()),
    "api-resources": frozenset("api-group namespaced verbs output sort-by no-headers categories cached".split()),
    "api-versions": frozenset(),
    "version": frozenset("output short client".split()),
    "cluster-info": frozenset(),
    "auth": frozenset("all-namespaces quiet list subresource no-headers output".split()),
}
SUBRESOURCES = frozenset({"log", "status", "scale"})
