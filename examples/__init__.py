"""Things to try Stillhouse with."""
