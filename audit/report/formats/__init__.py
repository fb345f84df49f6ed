"""Results as text for machines and terminals."""
