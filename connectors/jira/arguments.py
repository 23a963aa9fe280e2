"""The typed arguments of the Jira tools."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connectors._writes import WriteArguments
from connectors.base import Arguments

Key = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,30}-[1-9][0-9]{0,9}$")]
Short = Annotated[str, Field(min_length=1, max_length=255)]
Long = Annotated[str, Field(max_length=30_000)]


class SearchArguments(Arguments):
    jql: str = Field(min_length=1, description="A JQL search.")
    limit: int = Field(default=50, ge=1, le=1_000)


class SimilarArguments(Arguments):
    words: str | list[Annotated[str, Field(max_length=500)]] = Field(
        default="", description="Words of the question; without any, the newest tickets before the window's end."
    )
    limit: int = Field(default=10, ge=1, le=50)
    days: int = Field(default=365, ge=1, le=3_650, description="How far back.")


class IssueArguments(Arguments):
    key: Key


class CreateArguments(WriteArguments):
    summary: Short
    description: Long = ""
    project: Annotated[str, Field(pattern=r"^([A-Z][A-Z0-9_]*)?$")] = Field(
        default="", description="Empty: the configured one."
    )
    issue_type: Annotated[str, Field(max_length=60)] = Field(default="", description="Empty: the configured one.")
    priority: Annotated[str, Field(max_length=60)] = ""
    labels: list[Annotated[str, Field(pattern=r"^\S{1,255}$")]] = Field(default_factory=list, max_length=20)


class CommentArguments(WriteArguments):
    key: Key
    body: Annotated[str, Field(min_length=1, max_length=30_000)]


class TransitionArguments(WriteArguments):
    key: Key
    to: Short = Field(description="Name of the status to reach.")


class LinkArguments(WriteArguments):
    key: Key
    other: Key
    type: Annotated[str, Field(min_length=1, max_length=100)] = "Relates"


class UnlinkArguments(WriteArguments):
    """The link to take away, as `link_issues` made it."""

    key: Key
    other: Key
    type: Annotated[str, Field(min_length=1, max_length=100)] = "Relates"
