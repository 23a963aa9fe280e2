"""The settings of a folder of files."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, field_validator


class FilesConfig(BaseModel):
    """`root` is the one folder that is read; the patterns are relative to it and cannot leave it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    root: str = Field(min_length=1)
    tables: tuple[str, ...] = ("**/*.csv", "**/*.tsv", "**/*.parquet", "**/*.json", "**/*.jsonl", "**/*.ndjson")
    logs: tuple[str, ...] = ("**/*.log",)
    squad: str | None = None
    services: tuple[str, ...] = ()
    max_files: int = Field(default=500, gt=0)
    max_log_bytes: int = Field(default=64_000_000, gt=0, description="What one call reads of the log files together.")
    memory_bytes: int = Field(default=512_000_000, gt=0, description="What the engine may use for one query.")
    threads: int = Field(default=2, gt=0, le=64)

    @field_validator("tables", "logs")
    @classmethod
    def _inside(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or "\\" in pattern:
                raise ValueError("patterns are relative to root and hold no ..")
        return value
