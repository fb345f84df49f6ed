"""What is one category in several spellings, and what only looks alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.stats.spelling import edit_distance, likely_typos, spelling_key, spelling_variants

SAME = [
    ("USA", "U.S.A."), ("USA", "usa "), ("New York", "new  york"), ("New York", "NewYork"), ("Café", "cafe"),
    ("Ｆｒａｎｃｅ", "France"), ("e-mail", "Email"), ("Côte d'Ivoire", "COTE D’IVOIRE"), ("naïve", "nai\u0308ve"),
    ("item 1", "Item1"),
    ("Straße", "STRASSE"), ("N/A", "n.a."), ("(other)", "Other"),
]  # fmt: skip
DIFFERENT = [
    ("item1", "item2"), ("A1", "A2"), ("gold", "bold"), ("A+", "A"), ("A-", "A"), ("C++", "C#"), ("C++", "C"),
    ("1.5", "15"), ("1 1", "11"), ("-1", "1"), ("<5", ">5"), ("10-20", "1020"), ("50%", "50"), ("AT&T", "ATT"),
    ("v1.2", "v12"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SAME)
def test_spellings_of_one_thing_share_a_key(a: str, b: str) -> None:
    assert spelling_key(a) == spelling_key(b)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_things_keep_apart(a: str, b: str) -> None:
    assert spelling_key(a) != spelling_key(b)
    assert not likely_typos([a, b], [100_000, 1])


def test_the_most_frequent_spelling_comes_first() -> None:
    (found,) = spelling_variants(["usa ", "USA", "Peru", "U.S.A."], [5, 900, 40, 12])
    assert found.texts == ("USA", "U.S.A.", "usa ")
    assert found.counts == (900, 12, 5)
    assert found.minority == 17


@pytest.mark.parametrize("slip", ["Germny", "Germnay", "Germanny", "Gernany", "germani"])
def test_a_rare_slip_of_a_frequent_value_is_found(slip: str) -> None:
    (found,) = likely_typos(["Germany", "France", slip], [5_000, 3_000, 3])
    assert found.texts == ("Germany", slip)
    assert found.typo


@pytest.mark.parametrize(
    ("texts", "counts"),
    [
        (["Germany", "Germani"], [5_000, 4_000]),  # both are frequent: two things
        (["Germany", "Germani"], [20, 1]),  # too little to tell
        (["Austria", "Australia"], [5_000, 3]),  # two slips in a short word
        (["Gambia", "Zambia"], [5_000, 3]),  # another first letter
        (["male", "female"], [5_000, 3]),
        (["sector 12", "sector 13"], [5_000, 3]),  # digits must agree
        (["Newton", "Newtin", "Newtan"], [5_000, 5_000, 0]),  # near two frequent ones
        (["Slovakia", "Slovenia"], [5_000, 3]),
    ],
)
def test_similar_values_are_left_alone(texts: list[str], counts: list[int]) -> None:
    assert not likely_typos(texts, counts)


def test_longer_texts_may_differ_by_two_slips() -> None:
    (found,) = likely_typos(["Switzerland", "Swizterlnd"], [5_000, 3])
    assert found.minority == 3


@given(st.text("abcd", max_size=8), st.text("abcd", max_size=8), st.text("abcd", max_size=8))
def test_edit_distance_is_symmetric_and_zero_only_for_equal_texts(a: str, b: str, c: str) -> None:
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert abs(len(a) - len(b)) <= edit_distance(a, b) <= max(len(a), len(b))
    assert edit_distance(a + c, b + c) <= edit_distance(a, b)


@given(st.text(max_size=20))
def test_case_and_outer_space_never_matter(text: str) -> None:
    assert spelling_key(f" {text} ") == spelling_key(text)
