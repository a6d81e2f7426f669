"""The front matter of a card: what the Hub and `datasets` read."""

from typing import Any, Final

import yaml

from schemas.manifest import File, Manifest

SIZES: Final = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)
TASKS: Final = {"rl": "reinforcement-learning", "reward": "text-classification"}
"""Of outputs; the others are for text generation."""
OTHER, UNKNOWN = "other", "unknown"
_LICENSES: Final = """
afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd-2-clause bsd-3-clause bsl-1.0 c-uda
cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0
cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cdla-permissive-1.0
cdla-permissive-2.0 cdla-sharing-1.0 eupl-1.1 gemma gfdl gpl-2.0 gpl-3.0 isc
lgpl-2.1 lgpl-3.0 llama2 llama3 llama3.1 llama3.2 llama3.3 mit mpl-2.0 ms-pl ncsa
odbl odc-by openrail pddl postgresql unlicense wtfpl zlib
"""
LICENSES: Final = frozenset(_LICENSES.split())
"""Names that the Hub knows; it refuses a card with another one."""


def front_matter(manifest: Manifest) -> str:
    """YAML. Nothing in it is a text of others: names, paths and outputs are checked elsewhere."""
    rows = sum(manifest.rows.values())
    outputs = outputs_of(manifest)
    front: dict[str, Any] = {
        "pretty_name": f"{manifest.name} {manifest.version}",
        **_license(manifest),
        "task_categories": list(
            dict.fromkeys(TASKS.get(output, "text-generation") for output in outputs)
        ),
        "tags": ["synthetic", "reasoning", "stillhouse", *outputs],
        "size_categories": [next((name for size, name in SIZES if rows < size), "n>1T")],
        "configs": [
            {
                "config_name": output,
                **({"default": True} if output == outputs[0] else {}),
                "data_files": [
                    {"split": split, "path": [file.path for file in files]}
                    for split, files in files_by_split(manifest, output).items()
                ],
            }
            for output in outputs
        ],
        "dataset_info": [_info(manifest, output) for output in outputs],
    }
    # In one line each: a text that goes on in the next one could look like the end of all.
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10**6)


def outputs_of(manifest: Manifest) -> list[str]:
    """Those that have rows, the one first that is loaded if none is named."""
    found = [output for output in manifest.rows if files_by_split(manifest, output)]
    return sorted(found, key=lambda output: output != "sft")


def files_by_split(manifest: Manifest, output: str) -> dict[str, list[File]]:
    """The files of an output. A split is a file's name up to the first `-`; `train` comes first."""
    found: dict[str, list[File]] = {}
    for file in sorted(manifest.files, key=lambda file: file.path):
        folder, _, name = file.path.partition("/")
        if folder == output:
            found.setdefault(name.partition("-")[0], []).append(file)
    return dict(sorted(found.items(), key=lambda item: (item[0] != "train", item[0])))


def _info(manifest: Manifest, output: str) -> dict[str, Any]:
    """Sizes of a config. Without its features: a card is written from a manifest alone, which has
    no columns, also by a release whose scorers have other fields than those of the files that it
    brings back; `datasets` reads them from a file's footer, and fails where a card says others.
    `num_bytes` are the files': how large their rows are in memory no manifest knows."""
    by_split = files_by_split(manifest, output)
    size = sum(file.bytes for files in by_split.values() for file in files)
    return {
        "config_name": output,
        "splits": [
            {
                "name": split,
                "num_bytes": sum(file.bytes for file in files),
                "num_examples": sum(file.rows or 0 for file in files),
            }
            for split, files in by_split.items()
        ],
        "download_size": size,
        "dataset_size": size,
    }


def _license(manifest: Manifest) -> dict[str, str]:
    """One that holds for prompts and outputs alike, if there is one."""
    recipe = manifest.recipe
    stated = {(one.get("license") or "").lower() for one in (recipe["teacher"], *recipe["prompts"])}
    if stated == {""}:
        return {"license": UNKNOWN}
    if len(stated) == 1 and stated <= LICENSES:
        return {"license": stated.pop()}
    return {"license": OTHER, "license_name": "see-prompts-and-teacher"}
