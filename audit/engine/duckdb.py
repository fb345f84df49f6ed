"""The embedded engine: one DuckDB connection with limits on memory and threads, spilling to a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audit.errors import ConfigError, MemoryLimitError
from rl_data.processors import processors

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Limits:
    """What an audit may use.

    Attributes:
        memory: of the SQL engine, such as "2GB"; the sample and the models come on top.
        threads: None means all processors that this process may use.
        spill: the folder for what does not fit into memory; None means a temporary one, removed at the end.
    """

    memory: str = "1GB"
    threads: int | None = None
    spill: str | None = None

    @property
    def thread_count(self) -> int:
        """The number of threads to use."""
        return self.threads or processors()


@dataclass(slots=True)
class Connection:
    """A DuckDB connection that counts its statements. Close it to remove what it spilled."""

    limits: Limits
    statements: list[str] = field(default_factory=list)
    _connection: Any = None
    _spill: str = ""

    def __enter__(self) -> Connection:
        """Open the connection.

        Raises:
            ConfigError: the spill folder cannot be made, or the limit on memory is unusable.
        """
        import duckdb

        try:
            self._spill = tempfile.mkdtemp(prefix="audit-", dir=self.limits.spill)
        except OSError as error:
            place = self.limits.spill or tempfile.gettempdir()
            raise ConfigError(f"cannot spill to {place}: {error.strerror}; name another folder with --spill") from error
        try:
            self._connection = duckdb.connect(":memory:", config=self._settings())
            self._connection.execute("SET TimeZone = 'UTC'")
        except duckdb.Error as error:
            shutil.rmtree(self._spill, ignore_errors=True)
            problem = " ".join(str(error).split())
            raise ConfigError(f"the SQL engine does not start with --memory {self.limits.memory}: {problem}") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection and remove what was spilled."""
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    @property
    def raw(self) -> duckdb.DuckDBPyConnection:
        """The connection itself, for readers that register files and frames."""
        connection: duckdb.DuckDBPyConnection = self._connection
        return connection

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Run a statement and return its rows as plain Python values."""
        rows: Sequence[tuple[Any, ...]] = self._run(sql, lambda: self._connection.execute(sql).fetchall())
        return rows

    def table(self, sql: str) -> pa.Table:
        """Run a statement and return an Arrow table."""
        return self._run(sql, lambda: self._connection.sql(sql).to_arrow_table())

    def _run(self, sql: str, run: Callable[[], Any]) -> Any:
        """Run a statement; where memory runs out, once more with one thread (each holds a part of a wide table)."""
        import duckdb

        self.statements.append(sql)
        try:
            with interruptible():
                return run()
        except duckdb.OutOfMemoryException:
            self._connection.execute("SET threads = 1")
        try:
            with interruptible():
                return run()
        except duckdb.OutOfMemoryException as error:
            raise MemoryLimitError(
                f"--memory {self.limits.memory} is too little for these data, even with spilling to disk; allow more"
            ) from error
        finally:
            self._connection.execute(f"SET threads = {self.limits.thread_count}")

    def _settings(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": self.limits.memory,
            "threads": self.limits.thread_count,
            "temp_directory": self._spill,
            "preserve_insertion_order": False,
            # Parquet statistics leave NaN out: without these two, a condition on floats is answered from them, wrongly
            "disabled_optimizers": "statistics_propagation",
            # nothing is fetched from the network, neither data nor extensions
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C during a statement be a KeyboardInterrupt: DuckDB makes it an error, which would pass for another."""
    try:
        yield
    except RuntimeError as error:
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise
