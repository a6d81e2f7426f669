"""Arguments that commands share."""

import os
from typing import Any

Argument = tuple[tuple[str, ...], dict[str, Any]]

SET: Argument = (
    ("--set",),
    {
        "action": "append",
        "default": [],
        "metavar": "FIELD=VALUE",
        "dest": "overrides",
        "help": "override a field, such as sampling.temperature=0.7 (may be repeated)",
    },
)
WHOLE_RECIPE: tuple[Argument, ...] = (
    (("recipe",), {"metavar": "RECIPE", "help": "the recipe, a YAML file"}),
    SET,
)
RECIPE: tuple[Argument, ...] = (
    *WHOLE_RECIPE,
    (
        ("--limit",),
        {
            "type": int,
            "metavar": "N",
            "help": "only N prompts, the same random ones every time: a pilot",
        },
    ),
)
SIMULATED: Argument = (
    ("--allow-simulated",),
    {"action": "store_true", "help": "publish samples of the simulated engine too"},
)
FORCE: Argument = (
    ("--force",),
    {
        "metavar": "REASON",
        "help": "publish a version that does not meet the recipe's gates; the reason is recorded",
    },
)
REPAIRS: tuple[Argument, ...] = (
    (
        ("--retry-failed",),
        {
            "action": "append",
            "default": [],
            "metavar": "REASON",
            "help": "draw samples again that failed for this reason (may be repeated)",
        },
    ),
    (
        ("--drop-damaged",),
        {
            "action": "store_true",
            "help": "forget files of the pool that cannot be read; what was in them is made again",
        },
    ),
)
ADDRESS: Argument = (
    ("--address",),
    {
        "default": os.environ.get("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265"),
        "metavar": "URL",
        "help": "of the cluster's dashboard (default: %(default)s)",
    },
)
FOLLOW: Argument = (
    ("--follow",),
    {"action": "store_true", "help": "print its output until it ends"},
)
JOB: Argument = (("job",), {"metavar": "JOB", "help": "what `submit` printed"})
STORE: Argument = (
    ("--store",),
    {"default": "store", "help": "the store (default: %(default)s)"},
)
INIT: tuple[Argument, ...] = (
    (
        ("prompts",),
        {
            "metavar": "PROMPTS",
            "help": "a jsonl, json, csv or parquet file, a folder of them, or a glob; s3:// too",
        },
    ),
    (
        ("-o", "--output"),
        {"metavar": "RECIPE", "help": "a file that does not exist yet (NAME.yaml)"},
    ),
    (
        ("--teacher",),
        {
            "metavar": "MODEL",
            "help": "a Hub id with its commit (organisation/name@commit), a model's folder, or "
            "`simulated` (DeepSeek-R1-Distill-Qwen-7B)",
        },
    ),
    (("--name",), {"help": "of the dataset (after the file)"}),
    STORE,
    (
        ("--prompt-column",),
        {"metavar": "COLUMN", "help": "which column is the prompt, where names do not tell"},
    ),
    (
        ("--reference-column",),
        {"metavar": "COLUMN", "help": "which column answers are compared with; none has to be"},
    ),
)
DATASET: tuple[Argument, ...] = (
    (("dataset",), {"metavar": "NAME[@VERSION]", "help": "a dataset; default: its newest version"}),
    STORE,
)
DRY_RUN_PLAN: Argument = (
    ("--dry-run",),
    {"action": "store_true", "help": "the same as `plan`: touches nothing"},
)
DRY_RUN_BUILD: Argument = (
    ("--dry-run",),
    {"action": "store_true", "help": "the new funnel beside the last version's; writes nothing"},
)
