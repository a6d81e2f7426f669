"""Judges programs by a test in a sandbox of its own, whoever runs it: `python -m … `, JSON out."""

import json
import sys

from filters.code_answer import CodeScorer
from filters.scorer import Response
from infra.sandbox.bubblewrap import Bubblewrap

TEST = "x = f([2, 1])\nassert x == [1, 2]"
PROGRAMS = (
    "f = sorted",
    "def f(x): return x",
    "import os\ndef f(x):\n    while True: os.fork()",
    "def f(x): return bytearray(10**11)",
    "def f(x):\n    while True: pass",
    "import os\ndef f(x): os.kill(-1, 9); os._exit(0)",
)


def main() -> None:
    sandbox, scorer = Bubblewrap(), CodeScorer()
    scorer.use(sandbox)
    reference = json.dumps({"tests": [TEST], "time_limit": 0.5})
    answers = (f"```python\n{program}\n```" for program in PROGRAMS)
    scores = [scorer(Response("q", None, one, "stop", reference=reference)) for one in answers]
    sandbox.close()
    said = json.dumps([sandbox.isolation, [score.verdict for score in scores]])
    sys.stdout.write(said)


if __name__ == "__main__":
    main()
