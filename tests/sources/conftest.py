from collections.abc import Iterator

import duckdb
import pytest


@pytest.fixture
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection as the engine makes it."""
    made = duckdb.connect(
        config={
            "memory_limit": "500MB",
            "threads": 2,
            "temp_directory": str(tmp_path_factory.mktemp("spill")),
            "preserve_insertion_order": "false",
        }
    )
    yield made
    made.close()
