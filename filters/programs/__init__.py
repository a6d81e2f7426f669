"""Programs in answers: found, tested, and their results compared."""
