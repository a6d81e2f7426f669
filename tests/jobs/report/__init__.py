"""The report of a version."""
