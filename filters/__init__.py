"""What a good sample is: scorers, rules, eligibility, choosing.

Pure functions over samples and frames. Nothing here starts a process, opens a socket or a file,
or knows of Ray and vLLM. A new scorer is a file, a test and a line in `filters.scorers`.
"""
