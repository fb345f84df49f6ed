"""Audits where people already work with data: decorators, pytest, Great Expectations, Dagster.

Each module needs only the library that it is named for, and only when it is used.
"""
