"""A recipe file, read, overridden, and checked whole before anything starts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from filters.choose import Chooser
from filters.mix import Mixer
from filters.pairs import Pairer
from filters.presets import expanded
from filters.rules import Rules, compile_rules, rule_columns
from filters.scorer import NeedsQuestions, Questions, Scorer, scorer_id
from filters.scorers import build_scorers
from infra.goal import Goal
from infra.pool import Pool
from infra.sampling import Prefix, eligible_prefix
from infra.store import Store, open_store
from infra.weights import folder_digest
from jobs.evaluation import evaluation_questions
from jobs.recipe_checks import (
    check_notify,
    check_simulated,
    check_thinking_budget,
    check_verifier,
)
from schemas.errors import RecipeError
from schemas.identity import identity
from schemas.ports import Sampling
from schemas.recipe import Recipe

SCHEDULING_ONLY = frozenset(
    [
        "max_num_seqs",
        "max_num_batched_tokens",
        "max_model_len",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "gpu_memory_utilization",
        "enforce_eager",
        "enable_prefix_caching",
        "enable_chunked_prefill",
        "distributed_executor_backend",
        "block_size",
        "load_format",
        "disable_log_stats",
        "tokens_per_second",
        "step_time",
        "speed",
        "dies_after",
        "hangs_after",
        "poisoned",
        "start_seconds",
        "step_time",
        "speed",
        "transient_errors",
        "rejects",
    ]
)
"""Engine arguments that change speed or faults, not what is written; all others are identity."""


@dataclass(frozen=True)
class Job:
    """A checked recipe with everything that follows from it."""

    recipe: Recipe
    scorers: Mapping[str, Scorer]
    rules: Rules
    chooser: Chooser
    mixer: Mixer | None
    pairer: Pairer | None
    """Null without the output `preference`."""

    @classmethod
    def of(cls, recipe: Recipe, questions: Questions | None = None) -> "Job":
        """Compiles scorers, rules and choosing; RecipeError for what does not fit together.
        `questions` are those of the evaluation sets, where they were read elsewhere."""
        recipe = expanded(recipe)
        check_simulated(recipe)
        check_thinking_budget(recipe)
        check_notify(recipe)
        names = [name for names in recipe.scorers.values() for name in names]
        scorers = build_scorers(names, _reading(recipe, questions))
        columns = rule_columns(scorers)
        check_verifier(recipe, scorers)
        return cls(
            recipe,
            scorers,
            compile_rules(recipe.keep, columns, leaks_known=bool(recipe.decontaminate)),
            Chooser.compile(recipe.choose, columns),
            None if recipe.mix is None else Mixer.compile(recipe.mix, columns),
            Pairer.compile(recipe.pairs, columns) if "preference" in recipe.outputs else None,
        )

    @cached_property
    def store(self) -> Store:
        """The recipe's store."""
        return open_store(self.recipe.store)

    @cached_property
    def pool(self) -> Pool:
        """The recipe's pool."""
        return Pool(self.store.uri(f"pools/{self.recipe.pool}"))

    @cached_property
    def sampling(self) -> Sampling:
        """The recipe's sampling, as engines take it."""
        return Sampling(**dict(self.recipe.sampling))

    @cached_property
    def model(self) -> dict[str, Any]:
        """Which model it is: a folder's content, or a Hub id and its revision."""
        teacher = self.recipe.teacher
        if teacher.engine == "simulated":
            return {"simulated": teacher.model}
        if Path(teacher.model).is_dir():
            return {"weights": folder_digest(Path(teacher.model))}
        if teacher.model.startswith((".", "/")) or teacher.model.count("/") != 1:
            raise RecipeError(
                f"teacher.model: {teacher.model!r} is neither a folder here nor a Hub id "
                "(organisation/name)"
            )
        if teacher.revision is None:
            raise RecipeError(
                f"teacher.revision: {teacher.model!r} is no folder here, so it is a Hub id; "
                "name its commit, or its samples could not be told from those of a later one"
            )
        return {"model": teacher.model, "revision": teacher.revision}

    @cached_property
    def teacher_id(self) -> str:
        """What the samples depend on. Not: how many, `max_tokens`, how they are scheduled."""
        teacher = self.recipe.teacher
        # Without the controls that are off, or new ones would make other teachers of all of them.
        sampling = self.recipe.sampling.model_dump(exclude={"max_tokens"}, exclude_none=True)
        arguments = {k: v for k, v in teacher.engine_args.items() if k not in SCHEDULING_ONLY}
        return identity("t", [teacher.engine, self.model, teacher.system, arguments, sampling])

    def of_teacher(self, teacher_id: str) -> "Job":
        """The same recipe on samples that another teacher has written."""
        other = replace(self)
        vars(other)["teacher_id"] = teacher_id
        return other

    @cached_property
    def scorer_ids(self) -> dict[str, str]:
        """Identity of each scorer."""
        return {name: scorer_id(scorer) for name, scorer in self.scorers.items()}

    @property
    def questions(self) -> Questions | None:
        """What scorers compare with, as their identities have it; null if none of them does."""
        comparing = [s for s in self.scorers.values() if isinstance(s, NeedsQuestions)]
        return comparing[0].questions() if comparing else None

    @cached_property
    def goal(self) -> Goal:
        """What a run is to reach."""
        return Goal.of(self.recipe)

    def eligible(self, judged: int, kept: int, wrong: int) -> Prefix:
        """Of a prompt with these bit sets: how many of its samples count, and whether it is
        settled."""
        return eligible_prefix(judged, kept, wrong, self.goal.need)

    @property
    def resolved(self) -> dict[str, Any]:
        """The recipe with all defaults, as JSON values."""
        return self.recipe.model_dump(mode="json")


def load_job(path: str, overrides: Sequence[str] = ()) -> Job:
    """Reads and checks a recipe file; `overrides` are `a.b=value`, the value as YAML."""
    return job_of(_read(Path(path)), path, overrides)


def job_of(text: str, path: str, overrides: Sequence[str] = ()) -> Job:
    """The same of a recipe's text; `path` is named in errors."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not YAML: {error}") from error
    if not isinstance(given, dict):
        raise RecipeError(f"{path}: must be a mapping of fields, such as `name: my-dataset`")
    for override in overrides:
        _override(given, override)
    try:
        recipe = Recipe.model_validate(given)
    except ValidationError as error:
        lines = [_explain(path, node, problem) for problem in error.errors()]
        raise RecipeError("\n".join(lines)) from error
    return Job.of(recipe)


def _reading(recipe: Recipe, questions: Questions | None) -> Callable[[], Questions] | None:
    """How the evaluation sets are read; not before a score or an identity needs them, since the
    cluster may be the only one to have the files."""
    if questions is not None:
        return lambda: questions
    return partial(evaluation_questions, recipe.decontaminate) if recipe.decontaminate else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} cannot be read: {error}") from error


def _override(given: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    if not equals or not dotted:
        raise RecipeError(f"--set {override}: write it as field.name=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: the value is not YAML: {error}") from error
    *parents, last = dotted.split(".")
    place: Any = given
    for name in parents:
        if _is_index(place, name):
            place = place[int(name)]
        elif isinstance(place, dict):
            place = place.setdefault(name, {})
        else:
            raise RecipeError(f"--set {override}: there is no place {name!r}")
    if _is_index(place, last):
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise RecipeError(f"--set {override}: {last} is no place in a list")


def _is_index(place: Any, name: str) -> bool:
    return isinstance(place, list) and name.isdigit() and int(name) < len(place)


def _explain(path: str, node: Any, problem: Any) -> str:
    """One line: where in the file, which field, what is wrong, what was meant."""
    location = problem["loc"]
    field = ".".join(str(part) for part in location) or "recipe"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown field"
        near = get_close_matches(str(location[-1]), _fields_at(location[:-1]), n=1)
        message += f"; did you mean {near[0]!r}?" if near else ""
    return f"{path}:{_line(node, location)}: {field}: {message}"


def _line(node: Any, location: Sequence[Any]) -> int:
    """The line of the deepest part of `location` that the file has."""
    for part in location:
        found = _child(node, part)
        if found is None:
            break
        node = found
    return 1 if node is None else int(node.start_mark.line) + 1


def _child(node: Any, part: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        # The key's own line, which is the one to look at.
        pairs = [(key, value) for key, value in node.value if key.value == str(part)]
        if pairs:
            key, value = pairs[0]
            value.start_mark = key.start_mark
            return value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None


def _fields_at(location: Sequence[Any]) -> list[str]:
    """Names of the fields of the model at `location`."""
    models: list[type[BaseModel]] = [Recipe]
    for part in location:
        if isinstance(part, str):
            fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
            models = [model for annotation in fields for model in _models_in(annotation)] or models
    return [name for model in models for name in model.model_fields]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
