"""How strongly two columns go together: numbers with numbers, categories with categories, and mixed.

Every measure is 0 for independent columns also when tables are small or have many levels: Cramer's V and eta^2 are
known to rise with the number of levels (0.30 for independent 10 x 10 categories at n = 100, 0.32 for pure noise in
1,000 levels at n = 10,000), so the corrected forms are what the checks use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Counts = NDArray[np.int64]


# --- categories with categories ---------------------------------------------------------------------------------------


def contingency(codes_a: Codes, codes_b: Codes, ka: int, kb: int) -> Counts:
    """Return how often each pair of categories occurs: int64[ka, kb].

    Args:
        codes_a: int[n], category 0..ka-1, or -1 for missing; rows with a missing code are left out.
        codes_b: the same for the other column, 0..kb-1.
        ka: number of categories of the first column.
        kb: number of categories of the second column.
    """
    joint = codes_a * kb + codes_b
    present = (codes_a >= 0) & (codes_b >= 0)
    if not present.all():
        joint = joint[present]
    return np.bincount(joint, minlength=ka * kb).reshape(ka, kb).astype(np.int64, copy=False)


def _occupied(table: NDArray[np.generic]) -> Floats:
    """Return the table without its empty rows and columns, as float64."""
    counts = np.asarray(table, dtype=np.float64)
    return counts[np.ix_(counts.sum(axis=1) > 0, counts.sum(axis=0) > 0)]


def chi_squared(table: NDArray[np.generic]) -> tuple[float, int]:
    """Return Pearson's chi^2 and its degrees of freedom; empty rows and columns are left out.

    Without Yates' correction, which changes V on 2 x 2 tables. (0.0, 0) when a single row or column is left.
    """
    counts = _occupied(table)
    if min(counts.shape, default=0) < 2:
        return 0.0, 0
    n = counts.sum()
    # sum o^2 / e - n, without a table of expected counts
    statistic = n * ((counts / counts.sum(axis=1, keepdims=True)) * (counts / counts.sum(axis=0))).sum() - n
    return float(max(statistic, 0.0)), (counts.shape[0] - 1) * (counts.shape[1] - 1)


def cramers_v(table: NDArray[np.generic], *, bias_corrected: bool = True) -> float:
    """Return Cramer's V of a table of counts, 0 (independent) to 1 (one determines the other); NaN when undefined.

    Empty rows and columns are left out first. NaN: fewer than two categories on a side, or fewer than two rows of data.

    Args:
        table: counts[r, k].
        bias_corrected: Bergsma (2013), "A bias-correction for Cramer's V and Tschuprow's T", eq. 10-12:
            V~ = sqrt(phi~^2 / min(k~ - 1, r~ - 1)) with phi~^2 = max(0, phi^2 - (k-1)(r-1)/(n-1)) and
            k~ = k - (k-1)^2/(n-1). It is NaN where k~ or r~ fall to 1 (as many categories as rows).
            False gives the plain V, which rises with the number of categories.
    """
    counts = _occupied(table)
    n = float(counts.sum())
    if min(counts.shape, default=0) < 2 or n < 2:
        return float("nan")
    r, k = counts.shape
    phi2 = chi_squared(counts)[0] / n
    if not bias_corrected:
        return float(np.sqrt(min(1.0, phi2 / min(r - 1, k - 1))))
    phi2 = max(0.0, phi2 - (r - 1) * (k - 1) / (n - 1))
    freedom = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(min(1.0, phi2 / freedom))) if freedom > 0 else float("nan")


def entropy(counts: NDArray[np.generic]) -> float:
    """Return the Shannon entropy of counts in nats; 0.0 for no counts."""
    positive = np.asarray(counts, dtype=np.float64).ravel()
    positive = positive[positive > 0]
    if positive.size < 2:
        return 0.0  # exactly, whatever the logarithms round to
    total = positive.sum()
    return float(np.log(total) - (positive * np.log(positive)).sum() / total)


def theils_u(table: NDArray[np.generic]) -> float:
    """Return Theil's U(row | column): the share of the row variable's entropy that the column variable explains.

    0 (nothing) to 1 (the column determines the row); not symmetric; NaN when the row variable is constant. Not
    corrected for bias: with many columns and few rows it is too high (Theil 1970).
    """
    counts = np.asarray(table, dtype=np.float64)
    rows = entropy(counts.sum(axis=1))
    if rows <= 0:
        return float("nan")
    given = entropy(counts) - entropy(counts.sum(axis=0))
    return float(min(1.0, max(0.0, 1.0 - given / rows)))


# --- numbers with categories ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variance:
    """One-way analyses of variance of p columns by the same groups; all arrays have shape [p].

    Sums of squares `between` groups and in `total`, over `n` values in `groups` groups.
    """

    between: Floats
    total: Floats
    n: Counts
    groups: Counts

    @property
    def eta_squared(self) -> Floats:
        """SSB / SST; NaN for a constant, a single group or no data. Biased upwards by (groups - 1) / (n - 1)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((self.total > 0) & (self.groups > 1), self.between / self.total, np.nan)

    @property
    def omega_squared(self) -> Floats:
        """(SSB - (k-1) MSW) / (SST + MSW), never below 0 (Hays 1963); NaN where every group has a single value."""
        with np.errstate(divide="ignore", invalid="ignore"):
            omega = (self.between - (self.groups - 1) * self._within) / (self.total + self._within)
        return np.asarray(np.where(self._defined, np.maximum(omega, 0.0), np.nan))

    @property
    def p_value(self) -> Floats:
        """Probability of so large an F under independence (normal errors); NaN when undefined."""
        from scipy import special

        with np.errstate(divide="ignore", invalid="ignore"):
            f = self.between / (self.groups - 1) / self._within
        p = special.fdtrc(self.groups - 1.0, self.n - self.groups + 0.0, np.where(self._defined, f, 0.0))
        return np.asarray(np.where(self._defined, p, np.nan))

    @property
    def _defined(self) -> NDArray[np.bool_]:
        return np.asarray((self.total > 0) & (self.groups > 1) & (self.n > self.groups))

    @property
    def _within(self) -> Floats:
        """The mean square within groups."""
        return np.asarray(np.maximum(self.total - self.between, 0.0) / np.maximum(self.n - self.groups, 1))


def analyse_variance(Z: Floats, present: NDArray[np.bool_] | None, codes: Codes) -> Variance:
    """Return the analyses of variance of the columns of `Z` float[n, p] by `codes` int[n] (-1: missing).

    Args:
        Z: columns as `standardise` makes them: centred, of length 1, 0 where missing.
        present: bool[n, p], False where missing; None: nothing is missing.
        codes: the group of each row; rows with -1 are left out.
    """
    order = np.argsort(codes, kind="stable")
    order = order[np.searchsorted(codes[order], 0) :]
    p = Z.shape[1]
    if order.size == 0:
        return Variance(np.zeros(p), np.zeros(p), np.zeros(p, dtype=np.int64), np.zeros(p, dtype=np.int64))
    in_order = codes[order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    values = Z[order]
    sums = np.add.reduceat(values, starts, axis=0)
    if present is None:
        sizes = np.diff(np.append(starts, order.size))[:, None]
        sizes = np.broadcast_to(sizes, sums.shape)
    else:
        sizes = np.add.reduceat(present[order].astype(np.int64), starts, axis=0)
    n = sizes.sum(axis=0)
    square_of_sum = sums.sum(axis=0) ** 2 / np.maximum(n, 1)
    between = (sums**2 / np.maximum(sizes, 1)).sum(axis=0) - square_of_sum
    squares = np.einsum("ij,ij->j", values, values)
    total = squares - square_of_sum
    total[total <= 1e-13 * squares] = 0.0  # constant over these rows: what is left is rounding
    return Variance(np.clip(between, 0.0, total), total, n, (sizes > 0).sum(axis=0))


def _one_column(values: Floats, codes: Codes) -> Variance:
    used = np.isfinite(values) & (codes >= 0)
    Z, _, _ = standardise(np.asarray(values, dtype=np.float64)[used, None])
    return analyse_variance(Z, None, codes[used])


def eta_squared(values: Floats, codes: Codes) -> float:
    """Return eta^2, the share of the variance of `values` between groups; too high with many groups (see omega^2).

    Rows with a missing code (-1) or a value that is not finite are left out.
    """
    return float(_one_column(values, codes).eta_squared[0])


def omega_squared(values: Floats, codes: Codes) -> float:
    """Return omega^2, the bias-corrected share of the variance of `values` that `codes` explain; see `Variance`."""
    return float(_one_column(values, codes).omega_squared[0])


# --- numbers with numbers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Correlations:
    """Correlation coefficients `r` float[p, p] (NaN where undefined) and the rows `n` int[p, p] behind each."""

    r: Floats
    n: Counts


def pearson_matrix(X: Floats) -> Correlations:
    """Return Pearson's r of all pairs of columns of `X` float[n, p], each over the rows where both are finite.

    A few matrix products, whatever the pattern of absence: for a pair with masks m_i, m_j all five sums (n, sum x,
    sum x^2, sum xy ...) over its complete rows are entries of products of the zero-filled, standardised columns with
    the masks. NaN where a column is constant over the pair's rows, or fewer than two rows are complete.

    A matrix of pairwise-complete coefficients need not be positive semi-definite: read entries, do not invert it
    (`collinearity.correlation_for_inverse` gives one that can be inverted).
    """
    X = np.asarray(X, dtype=np.float64)
    rows, p = X.shape
    if rows == 0 or p == 0:
        return Correlations(np.full((p, p), np.nan), np.zeros((p, p), dtype=np.int64))
    Z, present, constant = standardise(X)
    if present is None:
        r = Z.T @ Z
        n = np.full((p, p), rows, dtype=np.int64)
    else:
        r, n = _pairwise(Z, present)
    r[constant, :] = np.nan
    r[:, constant] = np.nan
    np.clip(r, -1.0, 1.0, out=r)
    np.fill_diagonal(r, np.where(constant, np.nan, 1.0))
    return Correlations(r, n)


def standardise(X: Floats) -> tuple[Floats, NDArray[np.bool_] | None, NDArray[np.bool_]]:
    """Return columns with mean 0 and length 1 over their finite values (0 where missing), `present` and `constant`.

    `present` bool[n, p] is None when every value is finite; `constant` bool[p] marks columns without two different
    finite values, which become 0.
    """
    rows, p = X.shape
    Z = np.zeros((rows, p), order="F")
    masks: NDArray[np.bool_] | None = None
    constant = np.zeros(p, dtype=bool)
    for j in range(p):  # one column at a time stays in the processor's cache
        column = np.ascontiguousarray(X[:, j])
        finite = np.isfinite(column)
        complete = bool(finite.all())
        if not complete:
            if masks is None:
                masks = np.ones((rows, p), dtype=bool, order="F")
            masks[:, j] = finite
            column = column[finite]
        if column.size == 0 or column.min() == column.max():
            constant[j] = True
            continue
        column = column / np.abs(column).max()  # so that squares stay in range
        column -= column.mean()
        length = np.sqrt(np.square(column).sum())  # not `@`: waking BLAS threads for each column costs more
        if length == 0:  # differences below the last digit
            constant[j] = True
            continue
        column /= length
        Z[slice(None) if complete else finite, j] = column
    return Z, masks, constant


def _pairwise(Z: Floats, present: NDArray[np.bool_]) -> tuple[Floats, Counts]:
    """Return r and n over pairwise-complete rows, from zero-filled columns of unit length."""
    # many columns share a mask (mostly "nothing missing"): products with the distinct masks are enough
    seen: dict[bytes, int] = {}
    which = np.array([seen.setdefault(present[:, j].tobytes(), len(seen)) for j in range(present.shape[1])])
    first = [int(np.argmax(which == k)) for k in range(len(seen))]
    masks = present[:, first].astype(np.float64)
    n = (masks.T @ masks)[np.ix_(which, which)]
    sums = (Z.T @ masks)[:, which]  # [i, j]: sum of column i over the rows where j is present
    squares = ((Z**2).T @ masks)[:, which]
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = Z.T @ Z - sums * sums.T / n
        variance = squares - sums**2 / n
        variance[variance <= 1e-13 * squares] = np.nan  # constant over the pair's rows: what is left is rounding
        r = covariance / np.sqrt(variance * variance.T)
    r[n < 2] = np.nan
    return r, n.astype(np.int64)


def midranks(values: Floats) -> Floats:
    """Return ranks 1..n of `values` float[n], ties sharing their mean rank; NaN and infinities keep no rank (NaN)."""
    finite = np.isfinite(values)
    x = values if finite.all() else values[finite]
    order = np.argsort(x)
    in_order = x[order]
    new = np.empty(x.size, dtype=bool)
    new[:1] = True
    np.not_equal(in_order[1:], in_order[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], x.size)
    ranks = np.empty(x.size)
    ranks[order] = np.repeat((starts + ends + 1) / 2.0, ends - starts)
    if x.size == values.size:
        return ranks
    result = np.full(values.size, np.nan)
    result[finite] = ranks
    return result


def rank_columns(X: Floats) -> Floats:
    """Return `midranks` of each column of `X` float[n, p]."""
    ranks = np.empty(X.shape, order="F")
    for j in range(X.shape[1]):
        ranks[:, j] = midranks(np.ascontiguousarray(X[:, j]))
    return ranks


def spearman_matrix(X: Floats) -> Correlations:
    """Return Spearman's rho of all pairs of columns of `X` float[n, p], ties at mean ranks.

    Ranks are taken within each column's own finite values, once; pairs then use the rows where both are finite. Without
    missing values this is Spearman's rho exactly; with them it differs a little from ranking anew within every pair's
    complete rows, which costs p^2 sorts: `spearman` does that for one pair.
    """
    return pearson_matrix(rank_columns(np.asarray(X, dtype=np.float64)))


def pearson(x: Floats, y: Floats) -> float:
    """Return Pearson's r over the rows where both are finite; NaN when undefined."""
    return float(pearson_matrix(np.column_stack([x, y])).r[0, 1])


def spearman(x: Floats, y: Floats) -> float:
    """Return Spearman's rho over the rows where both are finite, ranked within those rows; NaN when undefined."""
    both = np.isfinite(x) & np.isfinite(y)
    return pearson(midranks(x[both]), midranks(y[both]))


def fisher_lower_bound(r: Floats | float, n: Counts | int, tests: int = 1, level: float = 0.95) -> Floats:
    """Return the lower end of the interval of |r| after Fisher's z, with Bonferroni's correction for `tests` pairs.

    z = atanh|r| +- q sqrt(1.06 / (n - 3)) (Fieller, Hartley & Pearson 1957, whose factor for ranks serves both
    coefficients). |r| is held at most 1 - 1/n: over few rows of few-valued columns r = 1 occurs by chance, while z
    would be infinite. NaN where r is NaN; 0 where n < 4.
    """
    from scipy import special

    n = np.asarray(n, dtype=np.float64)
    q = special.ndtri(1.0 - (1.0 - level) / (2.0 * max(tests, 1)))
    held = np.minimum(np.abs(r), 1.0 - 1.0 / np.maximum(n, 2.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        bound = np.tanh(np.arctanh(held) - q * np.sqrt(1.06 / np.maximum(n - 3.0, 0.0)))
    return np.where(np.isnan(held), np.nan, np.where(n >= 4, np.maximum(bound, 0.0), 0.0))
