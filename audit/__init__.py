"""dataset-audit."""
