"""Which files are read: regular ones under the root, by pattern; links that lead out of it are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from connectors.errors import Misconfigured, Unauthorized
from connectors.files.config import FilesConfig

_READERS = {
    ".csv": "read_csv_auto",
    ".tsv": "read_csv_auto",
    ".parquet": "read_parquet",
    ".json": "read_json_auto",
    ".jsonl": "read_json_auto",
    ".ndjson": "read_json_auto",
}


class File(NamedTuple):
    """One file. `name` is relative to the root; `table` is how SQL knows it (None for logs)."""

    path: Path
    name: str
    bytes: int
    modified: datetime
    table: str | None = None

    @property
    def reader(self) -> str:
        return _READERS[self.path.suffix.lower()]

    @property
    def options(self) -> str:
        """What follows the path. The engine's own buffers of 32 MB for each thread are too many for one process."""
        return ", buffer_size = 4194304" if self.reader == "read_csv_auto" else ""


class Folder(NamedTuple):
    tables: tuple[File, ...]
    logs: tuple[File, ...]
    truncated: str | None


def scan(config: FilesConfig, name: str) -> Folder:
    """What is there now. Misconfigured when the root is no folder that can be read."""
    root = Path(config.root)
    try:
        if not root.is_dir():
            raise Misconfigured(f"{name}: the folder does not exist, or is none.")
        root = root.resolve()
        tables = _named([file for file in _found(root, config.tables) if file.path.suffix.lower() in _READERS])
        logs = list(_found(root, config.logs))
    except PermissionError as error:
        raise Unauthorized(f"{name}: the folder may not be read by this process.") from error
    most = config.max_files
    cut = f"first {most:,} files" if len(tables) > most or len(logs) > most else None
    return Folder(tuple(tables[:most]), tuple(logs[:most]), cut)


def _found(root: Path, patterns: Sequence[str]) -> Iterator[File]:
    seen: set[Path] = set()
    for pattern in patterns:
        for candidate in sorted(root.glob(pattern)):
            path = candidate.resolve()
            if path in seen or not path.is_relative_to(root) or not path.is_file():
                continue
            seen.add(path)
            told = path.stat()
            at = datetime.fromtimestamp(told.st_mtime, UTC)
            yield File(path, path.relative_to(root).as_posix(), told.st_size, at)


def _named(files: Sequence[File]) -> list[File]:
    """Table names from file names: small letters, digits and underscores, each once."""
    taken: set[str] = set()
    named = []
    for file in files:
        base = re.sub(r"[^a-z0-9]+", "_", file.path.stem.lower()).strip("_") or "table"
        base = f"t_{base}" if base[0].isdigit() else base
        table, number = base, 2
        while table in taken:
            table, number = f"{base}_{number}", number + 1
        taken.add(table)
        named.append(file._replace(table=table))
    return named
