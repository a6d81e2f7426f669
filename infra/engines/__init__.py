"""Engines: what turns a rendered prompt into a completion."""
