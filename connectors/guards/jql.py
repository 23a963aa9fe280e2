"""JQL: one search, functions by allow-list."""

from __future__ import annotations

from itertools import pairwise

from connectors.guards.model import Allowed, GuardLimits, RefusalError
from connectors.guards.pipes import Rules, cut, join

_RULES = Rules(strings="'\"", word_extra="-")
_FUNCTIONS = frozenset(
    """
    currentuser currentlogin now startofday startofweek startofmonth startofyear endofday endofweek endofmonth endofyear
    membersof lastlogin issuehistory linkedissues votedissues watchedissues opensprints closedsprints futuresprints
    latestreleasedversion earliestunreleasedversion releasedversions unreleasedversions standardissuetypes
    subtaskissuetypes projectswhereuserhaspermission projectswhereuserhasrole projectsleadbyuser componentsleadbyuser
    cascadeoption updatedby parentepic approved approver pending pendingby myapproval mypending breached completed
    elapsed everbreached paused remaining running withincalendarhours organizationmembers customerdetail
    entitlementdetail choiceoption issueswithremotelinksbyglobalid parentlinkedissues watchedby assigneegroup
    """.split()
)
_WORDS = frozenset("in not and or was changed by from to on before after during is order empty null".split())
_OPERATORS = frozenset("= != ~ !~ < > <= >= ( ) , == + - [ ] && || ! & | / : .".split()) - {"&", "|", "&&", "||"}


def judge(text: str, *, limits: GuardLimits) -> Allowed:
    """Return the regenerated search; raise RefusalError otherwise."""
    pieces = cut(text, _RULES, max_depth=limits.max_depth)
    for piece in pieces:
        if piece.kind == "op" and piece.text not in _OPERATORS:
            raise RefusalError(f"'{piece.text}' does not belong in JQL. Remove it.")
        if piece.kind == "string" and "\\u0000" in piece.value.lower():
            raise RefusalError("A string holds a NUL. Remove it.")
    for before, piece in pairwise(pieces):
        call = piece.kind == "op" and piece.text == "(" and before.kind == "word"
        if call and before.value not in _FUNCTIONS and before.value not in _WORDS:
            raise RefusalError(f"The function '{before.text[:40]}' is not on the list of JQL functions. Leave it out.")
    words = [piece.value for piece in pieces if piece.kind == "word"]
    first = words[0] if words else ""
    if first in {"delete", "update", "insert", "drop", "post", "put", "get", "select"}:
        raise RefusalError("This is not a JQL search. Write field operator value.")
    compared = any(
        piece.kind == "op" and piece.text in {"=", "!=", "~", "!~", "<", ">", "<=", ">="} for piece in pieces
    )
    if not compared and not set(words) & {"in", "is", "was", "changed"} and words[:2] != ["order", "by"]:
        raise RefusalError("This is not a JQL search. Write field operator value.")
    return Allowed(join(pieces))
