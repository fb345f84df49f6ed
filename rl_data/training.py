"""The one loop: batches from tensors on the device, metrics without a wait for it at each step, checkpoints, resume.

What a stretch of `STRETCH` steps draws at random depends on the seed and on the stretch's number alone, and checkpoints
lie between stretches. So a run that was killed and resumed ends with the very weights of one that was not, and two runs
with one seed are equal (on one kind of machine: the order of floating-point sums is the library's).
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rl_data import checkpoints
from rl_data.diagnosis import check_values
from rl_data.errors import CheckpointError, DataError, SettingsError
from rl_data.learners import learner_class
from rl_data.learners.base import Batch, Learner, Metrics, Prepared
from rl_data.outputs import check_folder
from rl_data.settings import to_plain
from rl_data.trajectories import Trajectories
from rl_data.transitions import TENSORS, Transitions, transitions

STRETCH = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and where to learn.

    Attributes:
        steps: updates in all.
        batch_size: rows an update, drawn with replacement.
        seed: of the initial weights and all that is drawn.
        device: "cpu", "cuda", or "auto": CUDA where there is a device.
        log_every: steps between two entries of the metrics; a multiple of 100.
        checkpoint_every: steps between two checkpoints; a multiple of 100.

    Raises:
        SettingsError: a value is out of range.
    """

    steps: int = 10_000
    batch_size: int = 256
    seed: int = 0
    device: str = "auto"
    log_every: int = 500
    checkpoint_every: int = 5_000

    def __post_init__(self) -> None:
        """Check the values."""
        if self.steps < 1 or self.batch_size < 1:
            raise SettingsError(f"steps and batch_size must be at least 1, not {self.steps} and {self.batch_size}")
        for name in ("log_every", "checkpoint_every"):
            if getattr(self, name) < 1 or getattr(self, name) % STRETCH:
                raise SettingsError(f"{name} must be a multiple of {STRETCH}, not {getattr(self, name)}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SettingsError("device cuda: there is none on this machine; use cpu or auto")
        if self.device not in ("cpu", "cuda", "auto"):
            raise SettingsError(f"device must be cpu, cuda or auto, not {self.device!r}")

    @property
    def torch_device(self) -> torch.device:
        """The device."""
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(automatic if self.device == "auto" else self.device)


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gives.

    Attributes:
        learner: with its last weights, on the device.
        history: metrics, each a mean over `log_every` steps, with "step" and "steps_per_second".
        notes: what was left out of the data or looks wrong, in words.
        steps: updates that were made in all.
    """

    learner: Learner
    history: tuple[Mapping[str, float], ...]
    notes: tuple[str, ...]
    steps: int


def train(
    data: Trajectories | Transitions,
    name: str,
    config: Any = None,
    settings: Settings | None = None,
    *,
    run: Path | None = None,
    resume: bool = False,
    init_from: Path | None = None,
    freeze: Sequence[str] = (),
    held_out: Mapping[str, Any] | None = None,
    report: Callable[[Mapping[str, float]], None] | None = None,
    probe: Callable[[Learner, int], None] | None = None,
) -> Trained:
    """Learn a policy from data.

    Args:
        data: to learn from.
        name: of the learner; see `rl_data.learners.LEARNERS`.
        config: its options: an instance of its CONFIG, or values by name; None for the defaults.
        settings: how long and where; None for the defaults.
        run: folder for config, checkpoints and metrics; None writes nothing.
        resume: go on from the last checkpoint of `run`; there must be the same data and options.
        init_from: a run whose weights to start from, where names and shapes fit.
        freeze: layers that shall not learn, by the beginning of their names.
        held_out: which episodes `data` lack, for `config.json`; see `rl_data.held_out`.
        report: called with each entry of the metrics.
        probe: called with the learner and the steps made, as often as `report`: to let the policy act in between. It
            must not change the learner; what it draws changes nothing of the training.

    Raises:
        DataError: the data cannot be learned from.
        SettingsError: learner, options or layers are unknown or do not fit the data.
        CheckpointError: `run` has a run already and `resume` is False, or it has another one, or cannot be written.
        DivergenceError: training went astray; the message says the likely cause.
    """
    settings = settings or Settings()
    if run is not None:
        check_folder(run)
    rows = data if isinstance(data, Transitions) else rows_for(name, data)
    learner = checkpoints.create(name, rows.problem, config, seed=settings.seed)
    if learner.NEEDS_REWARDS and not rows.has_rewards:
        raise DataError(f"the data have no rewards: {name} cannot learn from them; bc can")
    device = settings.torch_device
    rows, learner = rows.to(device), learner.to(device)
    notes = list(rows.notes)
    learner.scaler.fit(rows.observations)
    if init_from is not None:
        notes.append(checkpoints.warm_start(learner, init_from))
    checkpoints.freeze(learner, freeze)
    start = 0
    history: list[Mapping[str, float]] = []
    if run is not None:
        description = _description(name, learner, settings, rows, init_from, freeze)
        description["data"] |= {} if held_out is None else {"held_out": dict(held_out)}
        start, history = _open_run(run, description, resume)
        if start:
            checkpoints.restore(learner, checkpoints.read_checkpoint(run), run)
    prepared = learner.prepare(rows)
    learner.build_optimisers(settings.steps)
    if run is not None and start:
        _restore_optimisers(learner, run)
    steps = start
    for steps, entry in _loop(learner, Sampler(rows, learner, prepared, settings), rows, settings, start):
        if entry is not None:
            history.append(entry)
            _tell(entry, learner, steps, report, probe)
        if run is not None:
            if entry is not None:
                checkpoints.append_metrics(run, entry)
            if steps % settings.checkpoint_every == 0 or steps == settings.steps or learner.finished():
                checkpoints.write_checkpoint(run, learner, steps)
    return Trained(learner, tuple(history), tuple(notes), steps)


def rows_for(name: str, data: Trajectories, ends: str | None = None) -> Transitions:
    """Return the rows that a learner, by its name, can learn from; see `rl_data.transitions.transitions`.

    Raises:
        DataError: the data cannot be learned from.
        SettingsError: there is no such learner.
    """
    return transitions(data, ends=ends, imitation=not learner_class(name).NEEDS_NEXT)


def _tell(
    entry: Mapping[str, float],
    learner: Learner,
    steps: int,
    report: Callable[[Mapping[str, float]], None] | None,
    probe: Callable[[Learner, int], None] | None,
) -> None:
    if report is not None:
        report(entry)
    if probe is not None:
        learner.eval()
        probe(learner, steps)
        learner.train()


def _loop(
    learner: Learner, sampler: Sampler, rows: Transitions, settings: Settings, start: int
) -> Iterator[tuple[int, dict[str, float] | None]]:
    """Yield after each stretch: steps made, and the metrics where they are due."""
    learner.train()
    learner.generator = torch.Generator(rows.observations.device)
    recent: list[Metrics] = []
    since, at = time.perf_counter(), start
    step = start
    while step < settings.steps and not learner.finished():
        stretch = step // STRETCH
        learner.generator.manual_seed(_mixed(settings.seed, 2 * stretch + 1))
        for batch in sampler.batches(stretch)[: settings.steps - step]:
            recent.append(learner.update(batch, step))
            step += 1
            if learner.finished():
                break
        done = step == settings.steps or learner.finished()
        entry = None
        if done or step % settings.log_every == 0:
            entry = _means(recent)
            check_values(entry, step, learner.config, rows)
            now = time.perf_counter()
            entry |= {"step": step, "steps_per_second": round((step - at) / max(now - since, 1e-9), 1)}
            recent, since, at = [], now, step
        yield step, entry


class Sampler:
    """All columns side by side in one matrix, so that the rows of a stretch are fetched with one indexing.

    Whole numbers that a learner added stay apart: float32 would round those beyond 16,777,216, such as rows' places.
    """

    def __init__(self, rows: Transitions, learner: Learner, prepared: Prepared, settings: Settings) -> None:
        with torch.no_grad():
            columns = {
                "observations": learner.scaler(rows.observations),
                "actions": learner.scaled_actions(rows.actions),
                "rewards": rows.rewards,
                "next_observations": learner.scaler(rows.next_observations),
                "alive": ~rows.terminated,
                **prepared.extra,
            }
        self.whole = {name: column for name, column in prepared.extra.items() if column.dtype == torch.long}
        columns = {name: column for name, column in columns.items() if name not in self.whole}
        flat = {name: column.float().reshape(rows.rows, -1) for name, column in columns.items()}
        self.names = list(flat)
        self.vectors = [name for name, column in columns.items() if column.ndim == 2]
        self.widths = [column.shape[1] for column in flat.values()]
        self.matrix = torch.cat(list(flat.values()), 1)
        if prepared.rows is not None:
            self.matrix = self.matrix[prepared.rows]
            self.whole = {name: column[prepared.rows] for name, column in self.whole.items()}
        self.settings = settings
        self.discrete = rows.problem.discrete
        self.generator = torch.Generator(self.matrix.device)

    def batches(self, stretch: int) -> list[Batch]:
        """Return the batches of a stretch."""
        size = self.settings.batch_size
        self.generator.manual_seed(_mixed(self.settings.seed, 2 * stretch))
        index = torch.randint(len(self.matrix), (STRETCH * size,), generator=self.generator, device=self.matrix.device)
        chosen = self.matrix[index].view(STRETCH, size, -1)
        columns: dict[str, Sequence[Tensor]] = {}
        for name, column in zip(self.names, torch.split(chosen, self.widths, dim=2), strict=True):
            block = column.contiguous() if name in self.vectors else column.squeeze(2).contiguous()
            columns[name] = (block.long() if name == "actions" and self.discrete else block).unbind(0)
        for name, column in self.whole.items():
            columns[name] = column[index].view(STRETCH, size, *column.shape[1:]).unbind(0)
        extra = [*self.names[len(Batch._fields) - 1 :], *self.whole]
        o, a, r, n, alive = (columns[name] for name in Batch._fields[:-1])
        return [
            Batch(o[i], a[i], r[i], n[i], alive[i], {name: columns[name][i] for name in extra}) for i in range(STRETCH)
        ]


def _mixed(seed: int, number: int) -> int:
    """Return a seed of its own for each pair of numbers."""
    text = f"{seed}:{number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def _means(recent: Sequence[Metrics]) -> dict[str, float]:
    """Return the mean of each metric over the steps that have it; the only wait for the device."""
    names = sorted({name for metrics in recent for name in metrics})
    means = [torch.stack([m[name].float() for m in recent if name in m]).mean() for name in names]
    return dict(zip(names, torch.stack(means).tolist(), strict=True))


def _description(  # noqa: PLR0917  # the arrays and settings of one step, in its order
    name: str, learner: Learner, settings: Settings, rows: Transitions, init_from: Path | None, freeze: Sequence[str]
) -> dict[str, Any]:
    """Return what `config.json` says: all that the weights depend on."""
    return {
        "learner": name,
        "config": to_plain(learner.config),
        "problem": to_plain(rows.problem),
        "settings": asdict(settings),
        "init_from": None if init_from is None else str(init_from),
        "freeze": list(freeze),
        "data": {"rows": rows.rows, "episodes": rows.episodes, "sha256": fingerprint(rows)},
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }


def fingerprint(rows: Transitions) -> str:
    """Return the SHA-256 of all that can be learned from."""
    digest = hashlib.sha256()
    for name in TENSORS:
        digest.update(getattr(rows, name).cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _open_run(run: Path, description: dict[str, Any], resume: bool) -> tuple[int, list[Mapping[str, float]]]:
    """Return the step to go on from, and the metrics up to there; write what the run is."""
    if not resume:
        if (run / checkpoints.CONFIG).exists():
            raise CheckpointError(f"{run} has a run already; go on with --resume, or choose another folder")
        checkpoints.write_config(run, description)
        return 0, []
    earlier = checkpoints.read_config(run)
    for part in ("learner", "config", "problem", "data", "init_from", "freeze"):
        if earlier.get(part) != _as_json(description[part]):
            raise CheckpointError(f"{run} has a run with another {part}: resume it as it was begun, or begin another")
    begun = earlier.get("settings")
    for part in ("steps", "batch_size", "seed"):
        was = begun.get(part) if isinstance(begun, Mapping) else None
        if was != description["settings"][part]:
            raise CheckpointError(f"{run} was begun with {part} {was}, not {description['settings'][part]}")
    if not (run / checkpoints.CHECKPOINT).exists():  # it was killed before the first
        checkpoints.rewrite_metrics(run, [])
        return 0, []
    step = int(checkpoints.read_checkpoint(run)["step"])
    history: list[Mapping[str, float]] = list(checkpoints.read_metrics(run, until=step))
    checkpoints.rewrite_metrics(run, history)
    return step, history


def _as_json(value: Any) -> Any:
    """Return the value as it comes back from JSON."""
    return json.loads(json.dumps(value))


def _restore_optimisers(learner: Learner, run: Path) -> None:
    saved = checkpoints.read_checkpoint(run)["optimisers"]
    try:
        for name, optimiser in learner.optimisers.items():
            optimiser.load_state_dict(saved[name])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{run}: the optimisers do not fit the learner: {error}") from error
