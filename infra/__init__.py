"""Everything that touches a machine, a network or a clock: engines, replicas, the coordinator and
its scheduling core, the pool, the store. Nothing here knows what a good sample is."""
