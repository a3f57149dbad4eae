"""
Make a table of mixed types
===========================

Write a CSV like those that leave a company's database: numbers with gaps, categories of few and of
many levels, a date, an identifier and a column that never changes.  Each row is a customer of a
telephone company, and ``churned`` says whether the customer left::

    python examples/make_mixed_table.py churn.csv
    skstruct tune churn.csv --target churned

What decides is mostly how columns act *together*: traffic against the quota of the plan, calls to
support against how long the customer has been there, and a device that is bad in one region
only.  A model that adds up one term per column stays well below one that can see interactions.

The same ``--rows`` and ``--seed`` give the same file, byte for byte.
"""

import argparse

import numpy as np
import pandas as pd

PLANS = {"basic": (2, 9.9), "comfort": (10, 19.9), "family": (30, 34.9), "unlimited": (90, 49.9)}
REGIONS = ("centre", "coast", "hills", "north", "south", "valley")
DEVICES = tuple(f"model {letter}" for letter in "ABCDEFGHIJKL")
N_TOWNS = 400


def make_table(n_rows=24_000, seed=0):
    """The table as a DataFrame of 14 columns; about a third of the customers churned."""
    rng = np.random.default_rng(seed)

    plan = rng.choice(list(PLANS), n_rows, p=[0.35, 0.35, 0.2, 0.1])
    quota = np.array([PLANS[name][0] for name in plan])
    fee = np.array([PLANS[name][1] for name in plan])
    region = rng.integers(len(REGIONS), size=n_rows)
    device = rng.integers(len(DEVICES), size=n_rows)
    size = 1 / (5.0 + np.arange(N_TOWNS))
    town = rng.choice(N_TOWNS, n_rows, p=size / size.sum())
    day = rng.integers(0, 365 * 6, n_rows)
    joined = np.datetime64("2018-01-01") + day.astype("timedelta64[D]")

    age = np.clip(rng.normal(45, 16, n_rows), 18, 95).round()
    income = np.exp(rng.normal(10.2, 0.5, n_rows) + 0.004 * (age - 45))
    gigabytes = quota * np.exp(rng.normal(-0.4, 0.8, n_rows))
    minutes = rng.gamma(2.0, 110.0, n_rows)
    support_calls = rng.poisson(1.2 + 1.2 * (device == 3))
    years = (365 * 6 - day) / 365

    town_effect = np.random.default_rng([seed, 1]).normal(0, 0.7, N_TOWNS)
    logit = (
        -0.7
        + 2.2 * np.tanh(2.5 * np.log(gigabytes / quota))  # traffic against the plan's quota
        + 0.9 * support_calls * (years < 2)  # the newcomers' patience
        + 2.0 * ((device == 3) & (region == 1))
        + 1.2 * np.cos(2 * np.pi * (day % 365) / 365) * (plan == "basic")  # winter offer
        - 0.8 * np.abs((age - 50) / 16) * (fee > 30)
        + town_effect[town]
    )
    churned = rng.random(n_rows) < 1 / (1 + np.exp(-1.5 * logit))

    def with_gaps(values, share):
        return np.where(rng.random(n_rows) < share, np.nan, values)

    return pd.DataFrame(
        {
            "customer": [f"K{number:07d}" for number in rng.permutation(10 * n_rows)[:n_rows]],
            "joined": joined.astype(str),
            "plan": plan,
            "monthly_fee": fee,
            "region": np.array(REGIONS)[region],
            "town": [f"town {number:03d}" for number in town],
            "device": pd.Series(np.array(DEVICES)[device]).mask(rng.random(n_rows) < 0.05),
            "age": with_gaps(age, 0.03),
            "income": with_gaps(income.round(-2), 0.08 + 0.15 * churned),  # leavers say less
            "gigabytes": gigabytes.round(2),
            "minutes": with_gaps(minutes.round(1), 0.02),
            "support_calls": support_calls,
            "currency": "EUR",
            "churned": np.where(churned, "yes", "no"),
        }
    )


def main():
    parser = argparse.ArgumentParser(description="Write a seeded CSV of mixed column types.")
    parser.add_argument("path", help="CSV file to write")
    parser.add_argument("--rows", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    make_table(args.rows, args.seed).to_csv(args.path, index=False)


if __name__ == "__main__":
    main()
