"""What can teach nothing, names a row or a person, is left out with the reason."""

from collections import Counter

import pytest
from guesses import LABEL, NOISE, RANDOM, column, drawn, infer_one, to_text

from mmbm.data.table import open_table
from mmbm.init import infer


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (column(lambda i: 1000 + i), "an identifier"),
        (column(lambda i: f"user-{i:05d}"), "an identifier"),
        (column(lambda i: f"{RANDOM.getrandbits(128):032x}"), "an identifier"),
        (column(lambda i: "same"), "the same in every row: same"),
        (column(lambda i: None), "empty"),
        (column(lambda i: "x" if i == 3 else None), "100% of its cells are empty"),
        (column(lambda i: f"docs/{i}.pdf"), "paths of files"),
        (column(lambda i: f"clips/{i}.mp4"), "videos"),
        (column(lambda i: i % 50), "a counter"),
    ],
)
def test_what_can_teach_nothing_is_left_out_with_the_reason(cells, why):
    inferred = infer_one(cells)

    assert "x" not in inferred.inputs
    assert why in inferred.left_out["x"].why
    assert f"x: {inferred.left_out['x'].why}" in to_text(inferred)


def test_who_was_recorded_is_left_out_and_suggested_for_the_split():
    inferred = infer_one(column(lambda i: f"p{i % 11}"), name="speaker")

    assert "speaker" in inferred.left_out
    assert "{group: speaker}" in inferred.suggestions[0]
    assert "{group: speaker}" in to_text(inferred)


def test_rare_codes_are_grouped_so_that_not_too_many_are_left():
    codes = drawn(range(10_000, 13_000), 12_000)
    inferred = infer(
        open_table({"product_id": codes, "x": NOISE * 40, "label": LABEL * 40}), ["label"]
    )

    options = inferred.inputs["product_id"].options
    kept = sum(n >= options["min_count"] for n in Counter(codes).values())
    assert 300 < kept <= 500
