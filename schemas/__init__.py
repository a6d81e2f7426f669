"""What data looks like: the recipe, the rows of the pool, scores, manifests, and the ports.

Everything here is a description. Nothing opens a file, starts a process or judges a sample.
"""
