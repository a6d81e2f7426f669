"""On the path of a process and of all that it starts, it makes their wall clocks jump: an hour
forward, and back again, every two seconds."""

import time

HOUR_S = 3600
EVERY_S = 2
_true_time = time.time


def _jumping_time() -> float:
    return _true_time() + HOUR_S * (int(time.monotonic()) // EVERY_S % 2)


time.time = _jumping_time
