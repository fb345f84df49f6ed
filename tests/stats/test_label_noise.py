"""Confident learning against cleanlab, and what tells noise from overlap."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint, estimate_joint
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from scipy.stats import binomtest

from audit.sample import Floats
from audit.stats.intervals import bootstrap_interval
from audit.stats.label_noise import (
    confident_joint,
    expected_tail,
    gross_errors,
    label_errors,
    noise_floor,
    noise_rate,
    noise_rate_interval,
    robust_predictions,
    round_rows,
    self_confidence,
)
from audit.stats.prediction import folds

CIFAR = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10_label_errors"

Ints = NDArray[np.int64]


def cifar() -> tuple[Ints, Floats]:
    if not CIFAR.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the data of {CIFAR.name} beside the project")
        pytest.skip(f"no {CIFAR.name} beside the project: NOT compared with cleanlab on real labels")
    return np.load(CIFAR / "labels.npy").astype(np.int64), np.load(CIFAR / "pred_probs.npy")


def problem(
    seed: int, n: int = 600, classes: int = 4, noise: float = 0.1, sharpness: float = 3.0
) -> tuple[Ints, Floats]:
    random = np.random.default_rng(seed)
    truth = random.choice(classes, n, p=random.dirichlet(np.full(classes, 3.0)))
    scores = random.normal(size=(n, classes)) + sharpness * np.eye(classes)[truth]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.where(random.random(n) < noise, random.integers(0, classes, n), truth)
    return labels, probabilities


def test_cifar10_flags_are_those_of_cleanlab() -> None:
    labels, probabilities = cifar()
    ours, theirs = label_errors(labels, probabilities), find_label_issues(labels, probabilities, n_jobs=1)
    assert theirs.sum() > 250
    assert (ours & theirs).sum() / (ours | theirs).sum() >= 0.99


def test_candidates_are_not_verdicts_people_confirm_one_in_five_on_cifar10() -> None:
    labels, probabilities = cifar()
    suspects = json.loads((CIFAR / "mturk.json").read_text(encoding="utf-8"))
    rows = np.array([suspect["id"] for suspect in suspects])
    confirmed = np.array([suspect["mturk"]["given"] < 3 for suspect in suspects])  # of five people each
    assert (confirmed.sum(), confirmed.size) == (54, 275)  # as published, so the wording must be "candidates"
    flagged = label_errors(labels, probabilities)[rows]
    assert flagged.mean() > 0.85
    ranked = confirmed[np.argsort(self_confidence(labels, probabilities)[rows])]
    assert ranked[:50].mean() > 1.5 * ranked[-50:].mean()  # the worst-first ranking pays


@pytest.mark.parametrize("seed", range(12))
def test_every_part_agrees_with_cleanlab(seed: int) -> None:
    labels, probabilities = problem(seed, classes=2 + seed % 5, noise=0.02 + 0.03 * seed)
    if len(np.unique(labels)) < probabilities.shape[1]:
        pytest.fail("the problem should hold every class")
    joint = confident_joint(labels, probabilities)
    np.testing.assert_array_equal(round_rows(joint), compute_confident_joint(labels, probabilities))
    np.testing.assert_allclose(
        round_rows(joint) / len(labels), estimate_joint(labels, probabilities), rtol=1e-9, atol=1e-15
    )
    np.testing.assert_array_equal(
        label_errors(labels, probabilities), find_label_issues(labels, probabilities, n_jobs=1)
    )
    np.testing.assert_allclose(
        self_confidence(labels, probabilities),
        get_label_quality_scores(labels, probabilities, method="self_confidence"),
        rtol=1e-9,
    )


def test_a_class_without_rows_and_a_class_without_a_right_label() -> None:
    labels, probabilities = problem(1)
    wider = np.column_stack([probabilities * 0.99, np.full(len(labels), 0.01)])  # nobody has label 4
    np.testing.assert_array_equal(label_errors(labels, wider), label_errors(labels, probabilities))
    swapped = np.where(labels == 0, 1, labels)
    swapped[:3] = 0  # hardly any row of class 0 is left
    expected = find_label_issues(swapped, probabilities, n_jobs=1)
    np.testing.assert_array_equal(label_errors(swapped, probabilities), expected)


def test_a_permutation_of_rows_or_classes_permutes_the_flags() -> None:
    labels, probabilities = problem(5)
    flags = label_errors(labels, probabilities)
    rows = np.random.default_rng(0).permutation(len(labels))
    np.testing.assert_array_equal(label_errors(labels[rows], probabilities[rows]), flags[rows])
    order = np.array([2, 0, 3, 1])
    renamed = np.argsort(order)[labels]
    np.testing.assert_array_equal(label_errors(renamed, probabilities[:, order]), flags)


def test_right_labels_with_sure_probabilities_have_no_noise() -> None:
    truth = np.arange(300) % 3
    probabilities = np.full((300, 3), 0.01) + 0.97 * np.eye(3)[truth]
    assert not label_errors(truth, probabilities).any()
    assert noise_rate(confident_joint(truth, probabilities)) == 0
    assert noise_rate_interval(truth, probabilities, seed=0) == (0, 0)


def test_the_noise_rate_is_found_and_its_interval_is_that_of_the_plain_bootstrap() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 2000)
    probabilities = np.full((2000, 3), 0.03) + 0.91 * np.eye(3)[truth]
    flipped = random.random(2000) < 0.12
    labels = np.where(flipped, (truth + 1) % 3, truth)
    assert noise_rate(confident_joint(labels, probabilities)) == pytest.approx(flipped.mean(), abs=1e-3)
    low, high = noise_rate_interval(labels, probabilities, seed=0)
    assert low < flipped.mean() < high

    def rate(rows: NDArray[Any]) -> float:
        return noise_rate(confident_joint(labels[rows], probabilities[rows]))

    plain = bootstrap_interval(np.arange(2000), rate, seed=1, repeats=300)
    assert (low, high) == pytest.approx(plain, abs=0.005)


def two_normals(distance: float, noise: float, seed: int, n: int = 5000) -> tuple[Ints, Floats]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, n)
    x = random.normal(size=n) + distance * (truth - 0.5)
    p = 1 / (1 + np.exp(-distance * x))
    p = (1 - noise) * p + noise * (1 - p)
    return np.where(random.random(n) < noise, 1 - truth, truth), np.column_stack([1 - p, p])


@pytest.mark.parametrize("distance", [1.2, 1.5, 2.0, 2.5])
def test_overlap_fades_among_the_surest_predictions(distance: float) -> None:
    alarms = sum(noise_floor(*two_normals(distance, 0.0, seed)).p_value < 0.05 for seed in range(40))
    assert alarms <= 4


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
def test_wrong_labels_do_not_fade(noise: float) -> None:
    floors = [noise_floor(*two_normals(5.0, noise, seed)) for seed in range(20)]
    assert np.mean([floor.p_value < 0.05 for floor in floors]) >= 0.9
    assert np.mean([floor.floor for floor in floors]) == pytest.approx(noise, rel=0.25)


def test_the_p_value_of_the_floor_is_that_of_two_binomial_tests() -> None:
    labels, probabilities = two_normals(5.0, 0.1, 3, n=400)
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    counts = np.zeros(4, dtype=int)
    for label in (0, 1):
        members = np.flatnonzero(predicted == label)
        ranked = members[np.argsort(-sure[members], kind="stable")]
        quarter = len(members) // 4
        for q in range(4):
            rows = ranked[q * quarter : (q + 1) * quarter]
            counts[q] += int((labels[rows] != label).sum())
    by_quarter = binomtest(counts[0], counts[:2].sum(), 1 / 3, alternative="greater").pvalue
    by_half = binomtest(counts[:2].sum(), counts.sum(), 1 / 3, alternative="greater").pvalue
    assert noise_floor(labels, probabilities).p_value == pytest.approx(min(1, 2 * min(by_quarter, by_half)), rel=1e-9)


@pytest.mark.parametrize("shape", ["normal", "laplace", "t3", "t2", "lognormal"])
def test_real_tails_are_thinner_than_the_expected_one(shape: str) -> None:
    random = np.random.default_rng(7)
    draws: dict[str, Callable[[], Floats]] = {
        "normal": lambda: random.normal(size=20_000),
        "laplace": lambda: random.laplace(size=20_000),
        "t3": lambda: random.standard_t(3, 20_000),
        "t2": lambda: random.standard_t(2, 20_000),
        "lognormal": lambda: random.lognormal(size=20_000),
    }
    values = draws[shape]()
    sizes = np.abs(values - np.median(values))
    sizes /= 1.4826 * np.median(sizes)
    assert np.mean(sizes > 6) <= expected_tail(sizes, 6.0) * 1.05 + 1e-4


def test_a_power_law_is_continued_exactly() -> None:
    sizes = (1 - np.linspace(0, 1, 100_001)[:-1]) ** -0.5  # P(X > x) = x^-2
    assert expected_tail(sizes, 10.0) == pytest.approx(0.01, rel=1e-2)
    assert expected_tail(sizes, 2.0) == pytest.approx(0.25, rel=1e-2)
    assert expected_tail(np.append(np.zeros(99), 9.0), 1.0) == 0.05  # mostly zeros: the tail is all that is known


def test_gross_errors_are_found_whatever_the_unit() -> None:
    random = np.random.default_rng(3)
    predicted = random.normal(size=1000)
    target = predicted + random.normal(size=1000) * 0.1
    target[[5, 50, 500]] += [3, -9, 5]
    errors = gross_errors(target, predicted, 6.0)
    assert errors.candidates.tolist() == [50, 500, 5]
    assert errors.scale == pytest.approx(0.1, rel=0.1)
    np.testing.assert_allclose(gross_errors(1000 * target + 7, 1000 * predicted, 6.0).z, errors.z, rtol=1e-6)
    assert gross_errors(predicted, predicted, 6.0).candidates.size == 0


def test_gross_errors_hardly_move_the_predictions() -> None:
    random = np.random.default_rng(4)
    x = random.normal(size=(800, 3))
    clean = 3 * x[:, 0] + np.sin(2 * x[:, 1])
    spoiled = clean + 0.2 * random.normal(size=800)
    spoiled[random.choice(800, 16, replace=False)] *= 60
    found, spread = robust_predictions(x, spoiled, folds(800, 5), cut=6.0, seed=0)
    assert np.median(np.abs(found - clean)) < 0.5
    assert 0.1 < np.median(spread) < 0.6
    assert np.mean((found - clean) ** 2) ** 0.5 < 1.0
