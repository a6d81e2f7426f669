"""The flow, one file a stage:  plan → generate ⇄ score → build → publish.

`jobs.run` is all of it, `jobs.cli` the command line. Here scorers and rules meet the machines:
`filters` says what a good sample is, `infra` draws and stores samples, and neither knows the other.
"""
