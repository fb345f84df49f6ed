"""Open anything: files, frames, tables."""
