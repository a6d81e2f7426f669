"""What `explain` found, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from filters.distinct import SIGNATURE
from jobs.plain import brief, one_line, plain
from jobs.tell import table

MARKS = {True: "+", False: "-", None: "?"}


def explained_text(data: Mapping[str, Any], word: str) -> str:
    """The object as text; `word` is what it calls the best samples. What models and others wrote is
    shortened, without control characters."""
    blocks = ["\n".join(_prompt(data))]
    if data["samples"]:
        blocks.append(_table(data["samples"]))
        blocks += ["\n".join(_sample(row, word)) for row in data["samples"]]
    else:
        blocks.append("the pool has no samples of this prompt by this teacher yet")
    if data["notes"]:
        blocks.append("\n".join(f"note: {note}" for note in data["notes"]))
    return "\n\n".join(blocks)


def _prompt(data: Mapping[str, Any]) -> Iterator[str]:
    prompt = data["prompt"]
    yield f"prompt     {prompt['prompt_id']}, recipe {data['recipe']}"
    for message in prompt["messages"]:
        yield f"{one_line(message['role']):<10} {plain(message['content'])}"
    yield f"reference  {'-' if prompt['reference'] is None else plain(prompt['reference'])}"
    yield f"domain     {one_line(prompt['domain'])}"
    yield f"source     {one_line(prompt['source'] or '-')}"
    if prompt["split"] is not None:
        yield f"split      {prompt['split']}"
    if prompt["left_out"] is not None:
        yield f"left out   {prompt['left_out']}: no samples are drawn for it"
    for rule in prompt["rules"]:
        yield _rule(rule)
    if prompt["left_out"] is not None:
        yield from (f"    {name} = {brief(value)}" for name, value in prompt["flags"].items())
        for change in data["changes"]:
            yield from _change(change, "not left out")
    else:
        yield f"settled    {_standing(data)}"
    if data["group"]:
        yield f"group      {_group(data['group'])}"


def _standing(data: Mapping[str, Any]) -> str:
    lacks = "; ".join(data["needs"])
    if not data["settled"]:
        return f"no; it needs {lacks}"
    count = f"yes, by its first {data['eligible']} samples"
    return count if not lacks else f"{count}, all that are drawn; it did not get {lacks}"


def _group(group: Mapping[str, Any]) -> str:
    own = {name.removeprefix("group."): value for name, value in group.items()}
    parts = []
    if own["pass_rate"] is not None:
        parts.append(
            f"pass rate {own['pass_rate']:.2f} (95 % interval {own['pass_rate_low']:.2f} to "
            f"{own['pass_rate_high']:.2f}, {own['judged']} judged)"
        )
    parts += [f"{own[name]} {name}" for name in ("unparsable", "timeouts") if own[name]]
    if own["majority"] is not None:
        share = f"{own['vote_share']:.0%} of {own['votes']} votes"
        parts.append(f"majority `{one_line(own['majority'])}` ({share})")
    return ", ".join(parts) or "-"


def _table(samples: list[dict[str, Any]]) -> str:
    header = ("fate", "verdict", "finished", "sample", "tokens", "rank")
    rows = [
        (
            row["fate"],
            brief(row["verdict"] if row["verdict"] is not None else row["correct"]),
            row["finish_reason"] or row["outcome"],
            str(row["sample_index"]),
            _tokens(row),
            "" if row["rank"] is None else str(row["rank"]),
        )
        for row in samples
    ]
    return table(rows, header, words=3)


def _tokens(row: Mapping[str, Any]) -> str:
    if row["reasoning_tokens"] is None or row["answer_tokens"] is None:
        return "-"
    return f"{row['reasoning_tokens'] + row['answer_tokens']:,}"


def _sample(row: Mapping[str, Any], word: str) -> Iterator[str]:
    yield f"── sample {row['sample_index']}: {row['fate']} ── {row['why']}"
    if row.get("failure_detail"):
        yield f"    {plain(row['failure_detail'])}"
    for rule in row["rules"]:
        yield _rule(rule)
    for change in row["changes"]:
        yield from _change(change, word)
    if row["no_change"] is not None:
        yield f"  no single threshold changes that: {row['no_change']}"
    if "reasoning" in row:
        scores = {name: value for name, value in row["scores"].items() if name != SIGNATURE}
        yield f"  scores   {'  '.join(f'{name}={brief(value)}' for name, value in scores.items())}"
        yield f"  thinking {plain(row['reasoning'] or '-')}"
        yield f"  answer   {plain(row['answer'] or '-')}"


def _rule(rule: Mapping[str, Any]) -> str:
    values = "".join(f"  {name}={brief(value)}" for name, value in rule["columns"].items())
    asks = "" if [*rule["columns"]] == [rule["asks"]] else f"  {one_line(rule['asks'])}"
    return f"  {MARKS[rule['value']]} {rule['rule']}: {brief(rule['value'])}{asks}{values}"


def _change(change: Mapping[str, Any], word: str) -> Iterator[str]:
    if change["asks"] is None:
        what = f"`{change['field']}` were {change['after']} instead of {change['before']}"
    else:
        what = (
            f"`{change['field']}` compared {one_line(change['asks'])} with {change['after']} "
            f"instead of {change['before']}"
        )
    yield f"  {word} if {what}:  {change['set']}"
    if change["others"]:
        moved = ", ".join(
            f"{other['sample_index']} {other['before']} → {other['after']}"
            for other in change["others"]
        )
        yield f"    other samples of the prompt then: {moved}"
    if not change["settled"]:
        yield "    the prompt would not be settled then, and a run would draw more"
