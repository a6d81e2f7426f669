"""What became of the samples of an attempt so far, counted file by file as the pool gets them.

Each file is read once, and of it the narrow columns alone. A sample is counted when all its scores
are there, and its identity of eight bytes kept, since merged files bring it again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import polars as pl

from filters.scored import TEXT_KEY, with_reasons, with_scores
from infra.data_file import DataFile, scan_file
from infra.pool import reading
from jobs.judge import JUDGED_COLUMNS
from jobs.recipe import Job
from jobs.watch.prompt_index import Finding, PromptIndex, hashed
from schemas.arrow import SAMPLES, SCORES
from schemas.errors import StoreError, StoreUnavailableError
from schemas.sample import DONE

NEWEST = 8
"""Kept and rejected samples that are shown, of each."""
FILES = 32
"""That are read together, at most, so that a look may end between them."""
ROWS = 100_000
"""The same, of rows."""
OF_SAMPLES = [c for c in JUDGED_COLUMNS if c != "teacher_id"]
HASHED = ("prompt_id", "text_digest", "reference_id")
OF_SCORES = ["reference_id", "scorer_id", "values", "verdict", "reason"]
TOKENS = pl.coalesce(pl.col("reasoning_tokens") + pl.col("answer_tokens"), pl.lit(0))


class Tally:
    """Of one attempt. `job` is its recipe; null where that is not known, and then nothing is judged
    here."""

    def __init__(self, job: Job | None, index: PromptIndex, attempt: str) -> None:
        self._job = job
        self._index = index
        self._pool = index.pool
        self._attempt = attempt
        self._read: dict[str, set[str]] = {"samples": set(), "scores": set()}
        self._rewritten = False
        """Files that were read are gone, and others have their rows now."""
        self._keys: list[pl.Series] = []
        self._pending = pl.DataFrame()
        self._scores = _no_scores()
        self.findings: list[Finding] = []
        self.left = 0
        """Files that are not read yet."""
        self.drawn = self.kept = self.judged = self.truncated = self.tokens = 0
        self.reasons: Counter[str] = Counter()
        """Why samples were not kept, by rule or failure."""
        self.failures: Counter[str] = Counter()
        self.replicas: dict[str, tuple[int, int]] = {}
        """Samples and tokens that each has delivered."""
        self.newest: dict[str, list[dict[str, object]]] = {"kept": [], "rejected": []}
        """Rows of judged samples, the newest first, without texts."""

    @property
    def waiting(self) -> int:
        """Finished samples that lack a verdict."""
        return self.drawn - self.judged

    def look(self, until: Callable[[], bool]) -> None:
        """Counts what came since; stops early, after some files, once `until` holds. StoreError
        where a table cannot be read."""
        # Scores first: whatever they judge is then among the samples.
        scores = self._new("scores", self._pool.files_by_age("scores"))
        files = self._pool.files_by_age("samples")
        self._rewritten |= not self._read["samples"] <= {file.name for file in files}
        samples = self._new("samples", files)
        self.left = len(samples) + len(scores)
        if samples:
            self._index.look()
        self.findings = [*self._index.findings]
        for batch in _batches(samples):
            self._take_samples(batch)
            if until():
                return
        self._rewritten = False
        for batch in _batches(scores):
            self._take_scores(batch)
            if until():
                return

    def _new(self, table: str, files: Sequence[DataFile]) -> list[DataFile]:
        self._read[table] &= {file.name for file in files}
        return [file for file in files if file.name not in self._read[table]]

    def _collect(
        self, table: str, batch: Sequence[DataFile], read: Callable[[str], pl.LazyFrame]
    ) -> list[pl.DataFrame]:
        frames = []
        for file in batch:
            uri = f"{self._pool.folder(table)}/{file.name}"
            self.left -= 1
            try:
                with reading(self._pool):
                    frames.append(read(uri).collect())
            except StoreUnavailableError:
                raise
            except StoreError as error:
                self.findings.append(Finding(f"{table}/{file.name}", str(error)))
            else:
                self._read[table].add(file.name)
        return [frame for frame in frames if frame.height]

    def _take_samples(self, batch: Sequence[DataFile]) -> None:
        def read(uri: str) -> pl.LazyFrame:
            rows = scan_file(uri, SAMPLES).filter(pl.col("attempt") == self._attempt)
            return rows.select(*OF_SAMPLES, "replica", "row").with_columns(path=pl.lit(uri))

        frames = self._collect("samples", batch, read)
        if not frames:
            return
        rows = pl.concat(frames).with_columns(
            prompt_id=hashed("prompt_id"), text_digest=hashed("text_digest")
        )
        key = pl.struct("prompt_id", "sample_index", "text_digest").hash()
        rows = rows.with_columns(key=key)
        if self._rewritten and self._keys:
            rows = rows.filter(~pl.col("key").is_in(pl.concat(self._keys).implode()))
        self._keys.append(rows["key"])
        self.drawn += rows.height
        self.tokens += int(rows.select(TOKENS.sum()).item() or 0)
        self.truncated += rows.filter(pl.col("finish_reason") == "length").height
        by_replica = rows.group_by("replica").agg(pl.len(), TOKENS.sum().alias("tokens"))
        for replica, count, tokens in by_replica.iter_rows():
            before = self.replicas.get(replica, (0, 0))
            self.replicas[replica] = (before[0] + count, before[1] + tokens)
        failed = rows.filter(pl.col("outcome") != DONE)["failure_reason"]
        for reason, count in failed.value_counts().iter_rows():
            self.failures[str(reason)] += count
        if self._job is not None:
            self._judge(self._job, self._index.joined(rows.drop("key")))

    def _take_scores(self, batch: Sequence[DataFile]) -> None:
        if self._job is None:
            return
        ids = list(self._job.scorer_ids.values())

        def read(uri: str) -> pl.LazyFrame:
            rows = scan_file(uri, SCORES).filter(pl.col("scorer_id").is_in(ids))
            return rows.select(*TEXT_KEY, *OF_SCORES)

        frames = self._collect("scores", batch, read)
        if not frames or self._pending.is_empty():
            return
        rows = pl.concat([frame.with_columns(map(hashed, HASHED)) for frame in frames])
        ours = rows.join(self._pending, on=[*TEXT_KEY, "reference_id"], how="semi")
        self._scores = pl.concat([self._scores, ours]).unique([*TEXT_KEY, "scorer_id"])
        touched = self._pending.join(self._scores, on=TEXT_KEY, how="semi", maintain_order="left")
        if touched.height:
            self._pending = self._pending.join(self._scores, on=TEXT_KEY, how="anti")
            self._judge(self._job, touched)

    def _judge(self, job: Job, rows: pl.DataFrame) -> None:
        """Counts those whose scores are all there; the others wait."""
        try:
            wide = with_scores(rows, self._scores, job.scorers, job.recipe.scorers)
            wide = with_reasons(wide, job.rules.samples, job.recipe.sampling.max_tokens)
        except pl.exceptions.PolarsError as error:
            self.findings.append(Finding("scores", f"{rows.height:,} samples not judged: {error}"))
            return
        waiting = rows.filter(~wide["judged"])
        self._pending = pl.concat([self._pending, waiting]) if self._pending.height else waiting
        self._scores = self._scores.join(self._pending, on=TEXT_KEY, how="semi")
        self._count(wide.filter("judged"))

    def _count(self, judged: pl.DataFrame) -> None:
        kept = judged["reason"].is_null()
        self.judged += judged.height
        self.kept += int(kept.sum())
        for reason, count in judged["reason"].drop_nulls().value_counts().iter_rows():
            self.reasons[reason] += count
        for name, chosen in (("kept", kept), ("rejected", ~kept)):
            fresh = judged.filter(chosen).tail(NEWEST).rows(named=True)[::-1]
            self.newest[name] = [*fresh, *self.newest[name]][:NEWEST]


def _batches(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    """Files that are read together."""
    batch: list[DataFile] = []
    for file in files:
        if batch and (len(batch) == FILES or sum(f.rows for f in batch) + file.rows > ROWS):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def _no_scores() -> pl.DataFrame:
    known = pl.Schema(SCORES)
    columns = (*TEXT_KEY, *OF_SCORES)
    return pl.DataFrame(schema={c: pl.UInt64() if c in HASHED else known[c] for c in columns})
