"""Which samples a report shows: whole prompts, so that what was kept stands beside what was not.

A selection by strata: whatever is rare, be it a fate, a source or a domain, has its first prompts
in it, however few there are.
"""

import polars as pl

PER_PROMPT = 8
"""Samples of a prompt, and more only where there is room left. Of each of its fates there is one
before there is a second one of any."""
STRATA = ("fate", "domain", "source")


def shown(samples: pl.DataFrame, most: int) -> pl.DataFrame:
    """The rows of at most `most` samples, by prompt and `sample_index`. Needs `prompt_id,
    sample_index, fate, domain, source`.

    Prompts stand in each stratum in the order of the end of their hash (shards are ranges of its
    beginning), and come by their best place in any. Choosing among what was chosen from shards is
    nearly choosing from all: a shard may leave out a prompt whose stratum is rare elsewhere.
    """
    if not most or samples.is_empty():
        return samples.clear()
    turn = pl.int_range(pl.len()).over("prompt_id", "fate", order_by="sample_index")
    ordered = samples.with_columns(turn=turn).sort("prompt_id", "turn", "fate", "sample_index")
    ordered = ordered.with_columns(turn=pl.int_range(pl.len()).over("prompt_id"))
    first = pl.col("turn") < PER_PROMPT
    places = _places(ordered.filter(first))
    fitting = places.filter(pl.col("samples").cum_sum() <= most)
    own = ordered.join(fitting.select("prompt_id", "place", "tail"), on="prompt_id")
    room = most - own.filter(first).height
    more = own.filter(~first).sort("turn", "place", "tail").head(room)
    found = pl.concat([own.filter(first), more]).select(samples.columns)
    return found.sort("prompt_id", "sample_index")


def _places(samples: pl.DataFrame) -> pl.DataFrame:
    """Prompts with how many samples they have, in the order in which they are shown."""
    own = samples.with_columns(tail=pl.col("prompt_id").str.reverse())
    places = [
        own.unique(["prompt_id", stratum])
        .with_columns(place=pl.col("tail").rank("ordinal").over(stratum))
        .select("prompt_id", "tail", "place")
        for stratum in STRATA
    ]
    best = (
        pl.concat(places).group_by("prompt_id").agg(pl.col("tail").first(), pl.col("place").min())
    )
    counts = samples.group_by("prompt_id").agg(samples=pl.len())
    return best.join(counts, on="prompt_id").sort("place", "tail")
