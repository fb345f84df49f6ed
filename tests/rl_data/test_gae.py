"""Advantages against torchrl, stable-baselines3 and closed forms, on ragged episodes with both flags."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import gymnasium
import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from stable_baselines3.common.buffers import RolloutBuffer
from torchrl.objectives.value import functional as torchrl

from rl_data.errors import SettingsError
from rl_data.gae import advantages, lambda_returns, retrace, vtrace
from rl_data.gae_torch import advantages_on_device, scan_on_device

GAMMA, LAM = 0.97, 0.9
ARGUMENTS = ("rewards", "values", "next_values", "terminated", "truncated", "offsets")


@dataclass(frozen=True)
class Episodes:
    """Random rewards, values, flags and ratios over ragged episodes, as arrays or as tensors."""

    rewards: Any
    values: Any
    next_values: Any
    terminated: Any
    truncated: Any
    offsets: Any
    ratios: Any

    def of(self, function: Any, **options: Any) -> Any:
        """Call a function of advantages with these episodes."""
        return function(
            self.rewards, self.values, self.next_values, self.terminated, self.truncated, self.offsets, **options
        )

    @property
    def spans(self) -> list[slice]:
        return [slice(a, b) for a, b in itertools.pairwise(self.offsets.tolist())]


def make(
    lengths: list[int], seed: int, *, dtype: str = "float64", inner_flags: float = 0.0, ends: str = "random"
) -> Episodes:
    """Return random episodes; the value after each row is the next row's within an episode, as a critic gives it."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = int(offsets[-1])
    values = rng.normal(size=rows) * 3
    next_values = np.append(values, 0.0)[1:]
    last = offsets[1:][np.array(lengths) > 0] - 1
    next_values[last] = rng.normal(size=len(last)) * 3  # the real final observations
    flags = rng.random((2, rows)) < inner_flags
    flags[:, last] = rng.random((2, len(last))) < 0.5
    if ends == "truncated":
        flags[0], flags[1, last] = False, True
    return Episodes(
        rng.normal(size=rows).astype(dtype),
        values.astype(dtype),
        next_values.astype(dtype),
        flags[0],
        flags[1],
        offsets,
        rng.lognormal(sigma=0.7, size=rows).astype(dtype),
    )


episodes = st.builds(
    make,
    st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any),
    st.integers(0, 2**32 - 1),
    inner_flags=st.sampled_from([0.0, 0.0, 0.2]),
)
discounts = st.floats(0.0, 1.0)


@given(episodes, discounts, discounts)
@example(make([1], 0), 1.0, 1.0)
@example(make([3000, 1, 1030, 0, 9, 8, 7], 1), 0.99, 1.0)  # longer than one block of the kernel
@example(make([2050], 2, inner_flags=0.001), 0.99, 0.95)
def test_advantages_and_targets_equal_torchrl(e: Episodes, gamma: float, lam: float) -> None:
    discount = torch.tensor(gamma, dtype=torch.float64)  # a float would be rounded to single precision in there
    ours, ours_returns = e.of(advantages, gamma=gamma, lam=lam), e.of(lambda_returns, gamma=gamma, lam=lam)
    for span in e.spans:
        if span.start == span.stop:
            continue
        column = {
            name: torch.from_numpy(getattr(e, name)[span])[:, None] for name in ("values", "next_values", "rewards")
        }
        terminated = torch.from_numpy(e.terminated[span])[:, None]
        done = terminated | torch.from_numpy(e.truncated[span])[:, None]
        done[-1] = True  # nothing follows an episode's last row
        theirs, target = torchrl.generalized_advantage_estimate(
            discount,
            torch.tensor(lam, dtype=torch.float64),
            column["values"],
            column["next_values"],
            column["rewards"],
            done=done,
            terminated=terminated,
        )
        np.testing.assert_allclose(ours[span], theirs[:, 0].numpy(), atol=1e-5, rtol=1e-9)
        np.testing.assert_allclose(ours_returns[span], target[:, 0].numpy(), atol=1e-5, rtol=1e-9)


@given(episodes, discounts, discounts)
def test_advantages_equal_stable_baselines3(e: Episodes, gamma: float, lam: float) -> None:
    ours = e.of(advantages, gamma=gamma, lam=lam)
    # SB3 has one flag: a cut adds gamma V(final observation) to the reward and is then an end like any other
    ends = e.terminated | e.truncated
    ends[e.offsets[1:][np.diff(e.offsets) > 0] - 1] = True
    buffer = RolloutBuffer(
        len(ends), gymnasium.spaces.Box(-1, 1, (1,)), gymnasium.spaces.Discrete(2), gae_lambda=lam, gamma=gamma
    )
    buffer.rewards = (e.rewards + gamma * e.next_values * (ends & ~e.terminated))[:, None]
    buffer.values = e.values[:, None]
    buffer.advantages = np.zeros_like(buffer.values)
    buffer.episode_starts = np.concatenate([[1.0], ends[:-1]])[:, None]
    buffer.compute_returns_and_advantage(torch.zeros(1), ends[-1:].astype(float))
    np.testing.assert_allclose(ours, buffer.advantages[:, 0], atol=1e-5, rtol=1e-9)


@pytest.mark.parametrize("kind", ["numpy", "tensor"])
def test_single_precision_is_within_1e5_of_double(kind: str) -> None:
    e = make([500, 1, 37, 2100, 8], 3, dtype="float32")
    if kind == "numpy":
        ours = e.of(advantages, gamma=0.99, lam=0.95)
        assert ours.dtype == np.float32
    else:
        tensors = Episodes(*(torch.from_numpy(getattr(e, name)) for name in Episodes.__dataclass_fields__))
        found = tensors.of(advantages, gamma=0.99, lam=0.95)
        assert found.dtype == torch.float32
        ours = found.numpy()
    wide = Episodes(
        **{
            n: getattr(e, n).astype(float) if getattr(e, n).dtype == np.float32 else getattr(e, n)
            for n in Episodes.__dataclass_fields__
        }
    )
    exact = wide.of(advantages, gamma=0.99, lam=0.95)
    np.testing.assert_allclose(ours, exact, atol=1e-5 * np.abs(exact).max())


@given(episodes, discounts)
def test_lambda_0_is_the_one_step_difference(e: Episodes, gamma: float) -> None:
    expected = e.rewards + gamma * np.where(e.terminated, 0.0, e.next_values) - e.values
    np.testing.assert_allclose(e.of(advantages, gamma=gamma, lam=0.0), expected, atol=1e-12)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 1000), discounts)
def test_lambda_1_is_the_return_to_go_less_the_value(lengths: list[int], seed: int, gamma: float) -> None:
    e = make(lengths, seed)
    ours = e.of(advantages, gamma=gamma, lam=1.0)
    for span in e.spans:
        after = 0.0 if e.terminated[span][-1] else e.next_values[span][-1]
        to_go = []
        for reward in e.rewards[span][::-1]:
            after = reward + gamma * after
            to_go.append(after)
        np.testing.assert_allclose(ours[span], np.array(to_go[::-1]) - e.values[span], atol=1e-9)


def test_an_exact_critic_leaves_nothing_for_any_lambda_if_cuts_bootstrap() -> None:
    # reward 1 for ever is worth 1 / (1 - gamma), wherever the recording was cut
    worth = 1.0 / (1.0 - GAMMA)
    rows = 50
    e = Episodes(
        np.ones(rows), np.full(rows, worth), np.full(rows, worth), np.zeros(rows, bool), np.arange(rows) % 10 == 9,
        np.arange(0, rows + 1, 10), np.ones(rows),
    )  # fmt: skip
    for lam in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(e.of(advantages, gamma=GAMMA, lam=lam), 0.0, atol=1e-12)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 1000))
def test_a_timeout_taken_for_an_end_errs_by_the_discounted_value_of_the_final_observation(
    lengths: list[int], seed: int
) -> None:
    e = make(lengths, seed, ends="truncated")
    right = e.of(advantages, gamma=GAMMA, lam=LAM)
    wrong = Episodes(**{**vars(e), "terminated": e.truncated}).of(advantages, gamma=GAMMA, lam=LAM)
    last = e.offsets[1:] - 1
    np.testing.assert_allclose((wrong - right)[last], -GAMMA * e.next_values[last], atol=1e-12)


def test_both_flags_at_once_are_an_end_and_a_missing_flag_is_a_cut() -> None:
    e = make([4, 4, 4], 0)
    flags = np.zeros((2, 12), bool)
    flags[0, [3, 7]] = True
    flags[1, 7] = True
    e = Episodes(**{**vars(e), "terminated": flags[0], "truncated": flags[1]})
    found = e.of(advantages, gamma=GAMMA, lam=LAM)
    assert found[7] == pytest.approx(e.rewards[7] - e.values[7])
    assert found[11] == pytest.approx(e.rewards[11] + GAMMA * e.next_values[11] - e.values[11])


def test_nothing_leaks_from_one_episode_into_another() -> None:
    e = make([5, 5], 0)
    e.rewards[5:] = np.nan
    assert np.isfinite(e.of(advantages, gamma=GAMMA, lam=LAM)[:5]).all()


def test_many_rows_are_shared_among_threads_with_the_same_result() -> None:
    lengths = np.random.default_rng(0).integers(0, 900, 700).tolist()
    e = make(lengths, 1)
    assert len(e.rewards) > 200_000
    together = e.of(advantages, gamma=GAMMA, lam=LAM)
    for span in [*e.spans[:5], *e.spans[345:355], *e.spans[-5:]]:
        part = Episodes(
            **{n: a if n == "offsets" else a[span] for n, a in vars(e).items()}
            | {"offsets": np.array([0, span.stop - span.start])}
        )
        np.testing.assert_array_equal(part.of(advantages, gamma=GAMMA, lam=LAM), together[span])


@given(episodes, discounts, discounts)
def test_the_passes_for_accelerators_equal_the_compiled_loop(e: Episodes, gamma: float, lam: float) -> None:
    names = ("rewards", "values", "next_values", "terminated", "truncated", "offsets")
    r, v, n, te, tr, offsets = (torch.from_numpy(getattr(e, name)) for name in names)
    found = advantages_on_device(r, v, n, te, tr, offsets, gamma, lam)
    np.testing.assert_allclose(found.numpy(), e.of(advantages, gamma=gamma, lam=lam), atol=1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda() -> None:
    e = make([500, 0, 1, 37, 2100, 8], 3)
    tensors = Episodes(**{n: torch.from_numpy(a).cuda() for n, a in vars(e).items()})
    for function in (advantages, lambda_returns):
        found = tensors.of(function, gamma=GAMMA, lam=LAM)
        np.testing.assert_allclose(found.cpu().numpy(), e.of(function, gamma=GAMMA, lam=LAM), atol=1e-9)
    for correction in (vtrace, retrace):
        found = tensors.of(correction, ratios=tensors.ratios, gamma=GAMMA, lam=LAM)
        expected = e.of(correction, ratios=e.ratios, gamma=GAMMA, lam=LAM)
        np.testing.assert_allclose(found.returns.cpu().numpy(), expected.returns, atol=1e-9)


def test_scan_of_nothing() -> None:
    assert len(scan_on_device(torch.zeros(0), torch.zeros(0), torch.zeros(1, dtype=torch.long))) == 0
    assert len(make([0], 0).of(advantages, gamma=1.0, lam=1.0)) == 0


# --- Corrections for another policy -----------------------------------------------------------------------------------


@given(episodes, discounts, discounts)
def test_ratios_of_one_leave_the_lambda_returns(e: Episodes, gamma: float, lam: float) -> None:
    ones = np.ones_like(e.ratios)
    plain = e.of(lambda_returns, gamma=gamma, lam=lam)
    for function in (vtrace, retrace):
        corrected = e.of(function, ratios=ones, gamma=gamma, lam=lam)
        np.testing.assert_allclose(corrected.returns, plain, atol=1e-9)
        assert corrected.clipped == 0.0


@given(episodes, st.floats(0.0, 1.0))
def test_vtrace_equals_torchrl(e: Episodes, gamma: float) -> None:
    ours = e.of(vtrace, ratios=e.ratios, gamma=gamma)
    for span in e.spans:
        if span.start == span.stop:
            continue
        column = {
            n: torch.from_numpy(getattr(e, n)[span])[:, None] for n in ("values", "next_values", "rewards", "ratios")
        }
        terminated = torch.from_numpy(e.terminated[span])[:, None]
        done = terminated | torch.from_numpy(e.truncated[span])[:, None]
        done[-1] = True
        # torchrl's first log-probability is the target's, whatever its docstring says
        log_pi = column["ratios"].log()
        advantage, target = torchrl.vtrace_advantage_estimate(
            torch.tensor(gamma, dtype=torch.float64), log_pi, torch.zeros_like(log_pi), column["values"],
            column["next_values"], column["rewards"], done=done, terminated=terminated,
        )  # fmt: skip
        np.testing.assert_allclose(ours.returns[span], target[:, 0].numpy(), atol=1e-5)
        np.testing.assert_allclose(ours.advantages[span], advantage[:, 0].numpy(), atol=1e-5)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(0, 1000), discounts, discounts)
def test_corrections_equal_their_sums(lengths: list[int], seed: int, gamma: float, lam: float) -> None:
    e = make(lengths, seed)
    v = e.of(vtrace, ratios=e.ratios, gamma=gamma, lam=lam, clip_rho=2.0, clip_c=1.5)
    q = e.of(retrace, ratios=e.ratios, gamma=gamma, lam=lam, clip=1.2)
    delta = e.rewards + gamma * np.where(e.terminated, 0.0, e.next_values) - e.values
    rho, c = np.minimum(e.ratios, 2.0), lam * np.minimum(e.ratios, 1.5)
    c_q = lam * np.minimum(e.ratios, 1.2)
    for span in e.spans:
        for t in range(span.start, span.stop):
            ks = range(t, span.stop)
            expected_v = sum(gamma ** (k - t) * np.prod(c[t:k]) * rho[k] * delta[k] for k in ks)
            expected_q = sum(gamma ** (k - t) * np.prod(c_q[t + 1 : k + 1]) * delta[k] for k in ks)
            assert v.returns[t] - e.values[t] == pytest.approx(expected_v, abs=1e-8)
            assert q.returns[t] - e.values[t] == pytest.approx(expected_q, abs=1e-8)
    assert v.clipped == pytest.approx((e.ratios > 2.0).mean())
    assert q.clipped == pytest.approx((e.ratios > 1.2).mean())


FUNCTIONS = (advantages, lambda_returns, vtrace, retrace)


def called(e: Episodes, function: Any) -> list[Any]:
    """Return all arrays that a function gives for these episodes."""
    if function in (vtrace, retrace):
        found = e.of(function, ratios=e.ratios, gamma=GAMMA, lam=LAM)
        return [found.returns, found.advantages]
    return [e.of(function, gamma=GAMMA, lam=LAM)]


@given(episodes, st.sampled_from([np.nan, np.inf, 7.0]))
def test_what_followed_a_terminated_row_does_not_matter(e: Episodes, value: float) -> None:
    other = Episodes(**{**vars(e), "next_values": np.where(e.terminated, value, e.next_values)})
    tensors = Episodes(**{n: torch.from_numpy(a) for n, a in vars(other).items()})
    for function in FUNCTIONS:
        for plain, changed, tensor in zip(*(called(x, function) for x in (e, other, tensors)), strict=True):
            np.testing.assert_array_equal(changed, plain)
            np.testing.assert_array_equal(tensor.numpy(), plain)
    r, v, n, te, tr, offsets = (getattr(tensors, name) for name in ARGUMENTS)
    on_device = advantages_on_device(r, v, n, te, tr, offsets, GAMMA, LAM)
    np.testing.assert_allclose(on_device.numpy(), called(e, advantages)[0], atol=1e-9)


@given(episodes)
def test_nothing_enters_over_a_flag_or_an_end_not_even_nan(e: Episodes) -> None:
    """A NaN reward spoils the rows before it up to the nearest flag or beginning, and no other."""
    spoilt = e.rewards.copy()
    row = len(spoilt) // 2
    spoilt[row] = np.nan
    first = int(e.offsets[e.offsets <= row].max())
    flags = np.flatnonzero((e.terminated | e.truncated)[first:row])
    first = first + int(flags[-1]) + 1 if len(flags) else first
    reached = np.zeros(len(spoilt), bool)
    reached[first : row + 1] = True
    for function in FUNCTIONS:
        for found in called(Episodes(**{**vars(e), "rewards": spoilt}), function):
            np.testing.assert_array_equal(np.isnan(found), reached)
    v, n, te, tr, offsets = (torch.from_numpy(getattr(e, name)) for name in ARGUMENTS[1:])
    on_device = advantages_on_device(torch.from_numpy(spoilt), v, n, te, tr, offsets, GAMMA, LAM)
    np.testing.assert_array_equal(np.isnan(on_device.numpy()), reached)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_narrow_floats_are_computed_in_float32(function: Any, dtype: torch.dtype) -> None:
    e = make([5, 9, 0, 3], 0)
    narrow = {n: torch.from_numpy(a) for n, a in vars(e).items()}
    narrow = {n: a.to(dtype) if a.is_floating_point() else a for n, a in narrow.items()}
    wide = {n: a.float() if a.is_floating_point() else a for n, a in narrow.items()}
    for found, expected in zip(called(Episodes(**narrow), function), called(Episodes(**wide), function), strict=True):
        assert found.dtype == torch.float32
        assert torch.equal(found, expected)


def test_corrections_of_tensors_are_tensors_with_the_same_numbers() -> None:
    e = make([5, 9, 0, 3], 0)
    tensors = Episodes(**{n: torch.from_numpy(a) for n, a in vars(e).items()})
    for function in (vtrace, retrace):
        array = e.of(function, ratios=e.ratios, gamma=GAMMA, lam=LAM)
        tensor = tensors.of(function, ratios=tensors.ratios, gamma=GAMMA, lam=LAM)
        assert isinstance(tensor.returns, torch.Tensor)
        np.testing.assert_allclose(tensor.returns.numpy(), array.returns, atol=1e-12)
        np.testing.assert_allclose(tensor.advantages.numpy(), array.advantages, atol=1e-12)
        assert tensor.clipped == array.clipped


# --- Misuse -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": 1.5}, "gamma must be in"),
        ({"lam": -0.1}, "lambda must be in"),
        ({"offsets": np.array([0, 3])}, "offsets must run from 0 to 4"),
        ({"offsets": np.array([0, 3, 2, 4])}, "not decrease"),
        ({"rewards": np.zeros(3)}, "one entry a transition"),
    ],
)
def test_misuse_is_named(change: dict[str, Any], message: str) -> None:
    e = make([4], 0)
    arguments = {n: getattr(e, n) for n in ("rewards", "values", "next_values", "terminated", "truncated", "offsets")}
    with pytest.raises(SettingsError, match=message):
        advantages(**{**arguments, "gamma": 0.9, "lam": 0.9, **change})


def test_clips_out_of_order_are_an_error() -> None:
    e = make([4], 0)
    with pytest.raises(SettingsError, match="clip_c <= clip_rho"):
        e.of(vtrace, ratios=e.ratios, gamma=0.9, clip_c=2.0)
    with pytest.raises(SettingsError, match="clip > 0"):
        e.of(retrace, ratios=e.ratios, gamma=0.9, clip=0.0)
