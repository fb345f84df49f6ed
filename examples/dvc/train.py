"""What waits for the audit."""

from pathlib import Path

Path("model.txt").write_text("trained\n", encoding="utf-8")
