"""One page that shows a version, or what the pool would give now, to people."""
