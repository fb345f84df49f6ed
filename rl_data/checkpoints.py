"""Runs on disk: `config.json`, `checkpoint.pt`, `metrics.jsonl`. Nothing in them is code; loading runs nothing.

`checkpoint.pt` holds tensors, numbers and names only and is read with `weights_only`; a file with anything else in it
is refused. A file gets its name only when it is complete, so a kill leaves the one before.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rl_data.errors import CheckpointError, SettingsError
from rl_data.learners import learner_class
from rl_data.learners.base import Learner
from rl_data.outputs import replace_file
from rl_data.settings import from_plain
from rl_data.transitions import Problem

CONFIG, CHECKPOINT, METRICS = "config.json", "checkpoint.pt", "metrics.jsonl"
FORMAT = 1


def create(name: str, problem: Problem, config: Any = None, *, seed: int = 0) -> Learner:
    """Return a learner with its initial weights, the same for the same seed.

    Args:
        name: see `rl_data.learners.LEARNERS`.
        problem: what it sees and does.
        config: an instance of the learner's CONFIG, or its values by name; None for the defaults.
        seed: of the initial weights; torch's own random state is left as it was.

    Raises:
        SettingsError: the learner or an option is unknown, or they do not fit the problem.
    """
    cls = learner_class(name)
    if config is None or isinstance(config, Mapping):
        config = from_plain(cls.CONFIG, config or {})
    if not isinstance(config, cls.CONFIG):
        raise SettingsError(f"{name} takes a {cls.CONFIG.__name__}, not a {type(config).__name__}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cls(problem, config)


def load(run: Path, device: str | torch.device = "cpu") -> Learner:
    """Return the learner of a run, as its last checkpoint has it.

    Raises:
        CheckpointError: the folder has no run, or it is damaged or unsafe.
    """
    config = read_config(run)
    try:
        problem = from_plain(Problem, config["problem"])
        learner = create(config["learner"], problem, config["config"])
    except (KeyError, TypeError, SettingsError) as error:
        raise CheckpointError(f"{run / CONFIG}: does not describe a learner: {error}") from error
    restore(learner, read_checkpoint(run), run)
    return learner.to(device)


def read_config(run: Path) -> dict[str, Any]:
    """Return what `config.json` says."""
    path = run / CONFIG
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{run}: no run there ({CONFIG} is missing); train one with -o {run}") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not written by this program, or by another version of it")
    return config


def read_checkpoint(run: Path) -> dict[str, Any]:
    """Return the content of `checkpoint.pt`."""
    path = run / CHECKPOINT
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{run}: no checkpoint there yet") from None
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: refused: it holds more than tensors and numbers, or is damaged") from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: damaged: {' '.join(str(error).split())[:200]}") from error
    if not _is_checkpoint(content):
        raise CheckpointError(f"{path}: not a checkpoint of this program")
    return content


def _is_checkpoint(content: object) -> bool:
    """Whether it has a step, the learner's tensors by name, and the state of each optimiser by name."""
    match content:
        case {"learner": dict() as learner, "optimisers": dict() as optimisers, "step": int()}:
            tensors = all(isinstance(tensor, Tensor) for tensor in learner.values())
            return tensors and all(isinstance(state, dict) for state in optimisers.values())
    return False


def restore(learner: Learner, content: Mapping[str, Any], run: Path) -> None:
    """Put saved weights into a learner."""
    try:
        learner.adopt(content["learner"])
        learner.load_state_dict(content["learner"])
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{run}: the weights do not fit the learner: {' '.join(str(error).split())[:300]}"
        ) from error


def write_checkpoint(run: Path, learner: Learner, step: int) -> None:
    """Write weights, optimisers and step."""
    content = {
        "learner": learner.state_dict(),
        "optimisers": {name: optimiser.state_dict() for name, optimiser in learner.optimisers.items()},
        "step": step,
    }
    replace_file(run / CHECKPOINT, lambda path: torch.save(content, path))


def write_config(run: Path, config: Mapping[str, Any]) -> None:
    """Write `config.json`."""
    text = json.dumps({"format": FORMAT, **config}, indent=2, sort_keys=True) + "\n"
    replace_file(run / CONFIG, lambda path: path.write_text(text, encoding="utf-8"))


def warm_start(learner: Learner, run: Path) -> str:
    """Copy from another run's checkpoint every weight that has the same name and shape; say how many.

    The scaling of observations comes along where it fits, since the weights were learned on it; else the learner's own
    stays. Target networks and other late copies (`Learner.COPIES`) come along only together with the network that they
    copy; else they begin as it does. `Learner.COUNTERS` begin anew.

    Raises:
        CheckpointError: nothing fits.
    """
    saved: Mapping[str, Tensor] = read_checkpoint(run)["learner"]
    own = learner.state_dict()
    fitting = {name: tensor for name, tensor in saved.items() if name in own and own[name].shape == tensor.shape}
    source_of = _sources(learner, own)
    fitting = {name: tensor for name, tensor in fitting.items() if source_of.get(name, name) in fitting}
    for counter in learner.COUNTERS:
        fitting.pop(counter, None)
    weights = [name for name, _ in learner.named_parameters() if name not in source_of]
    taken = [name for name in weights if name in fitting]
    if not taken:
        raise CheckpointError(f"{run}: no layer has the name and shape of one of this learner's: nothing to start from")
    learner.load_state_dict({**own, **fitting})
    state = learner.state_dict()
    with torch.no_grad():
        for copy, source in source_of.items():
            if copy not in fitting:
                state[copy].copy_(state[source])
    left = [name for name in weights if name not in fitting]
    scaled = "" if "scaler.mean" in fitting else "; observations are scaled anew"
    new = f"; new: {', '.join(left)}" if left else ""
    return f"{len(taken)} of {len(weights)} weights start from {run}{scaled}{new}"


def _sources(learner: Learner, state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the name of the tensor that each tensor of a late copy follows."""
    parts = {name: name.partition(".") for name in state}
    copies = learner.COPIES
    return {name: f"{copies[network]}.{rest}" for name, (network, _, rest) in parts.items() if network in copies}


def freeze(learner: Learner, prefixes: Sequence[str]) -> None:
    """Exclude layers from learning, such as "policy.0" or "critics.weights.0".

    Raises:
        SettingsError: a name is no layer's.
    """
    names = dict(learner.named_parameters())
    for prefix in prefixes:
        chosen = [p for name, p in names.items() if name == prefix or name.startswith(f"{prefix}.")]
        if not chosen:
            raise SettingsError(f"no layer {prefix!r} to freeze; there are {', '.join(names)}")
        for parameter in chosen:
            parameter.requires_grad_(False)


def append_metrics(run: Path, entry: Mapping[str, float]) -> None:
    """Add one line to `metrics.jsonl`."""
    with (run / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dict(entry)) + "\n")


def read_metrics(run: Path, until: int | None = None) -> list[dict[str, float]]:
    """Return the lines of `metrics.jsonl` up to a step; a line that a kill cut off is left out."""
    entries = []
    for line in _lines(run / METRICS):
        try:
            entry = json.loads(line)
            wanted = until is None or entry["step"] <= until
        except (ValueError, KeyError, TypeError):
            break
        if wanted:
            entries.append(entry)
    return entries


def rewrite_metrics(run: Path, entries: Iterable[Mapping[str, float]]) -> None:
    """Replace `metrics.jsonl`."""
    text = "".join(json.dumps(dict(entry)) + "\n" for entry in entries)
    replace_file(run / METRICS, lambda path: path.write_text(text, encoding="utf-8"))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
