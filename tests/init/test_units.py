"""Numbers with units, in parts or without end: left out with the cure, or said."""

import random
import re
from pathlib import Path

import pytest
from guesses import column, infer_one

from mmbm.init import report, to_yaml

RANDOM = random.Random(1)


def of(*words: str) -> list[str]:
    """A column of numbers with one of these beside each, before or behind it."""
    return column(lambda i: words[i % len(words)].replace("#", str(RANDOM.randint(2, 99))))


@pytest.mark.parametrize(("cells", "units"), [
    (of("EUR #", "USD #"), "EUR, USD"), (of("# EUR", "# GBP"), "EUR, GBP"),
    (of("$#", "# EUR"), r"\$, EUR"), (of("# KB", "# MB"), "KB, MB"), (of("# cm", "# m"), "cm, m"),
    (of("CHF #", "€#"), "CHF, €"), (of("# KiB", "# MiB"), "KiB, MiB"),
    (of("# parrots", "# barrels"), "parrots, barrels"),
])  # fmt: skip
def test_numbers_in_several_units_are_left_out_with_the_cure(cells, units, tmp_path: Path):
    inferred = infer_one(cells)

    why = rf"numbers in several units \({units}\); convert them to one, or say .* unit: {{"
    assert re.match(why, inferred.left_out["x"].why)
    assert any("several units" in line for line in report(inferred))
    assert "  # - x: numbers in several units" in to_yaml(inferred, tmp_path / "c.yaml")


@pytest.mark.parametrize("cells", [of("# €", "EUR #"), of("$#", "# USD"), of("~#", "#")])
def test_one_unit_in_two_spellings_is_one_unit(cells):
    assert infer_one(cells).inputs["x"].kind == "number"


@pytest.mark.parametrize("blank", ["\u2009", "\u202f", "\u00a0", "\u2007", " "])
def test_thousands_may_be_parted_by_any_blank(blank: str):
    found = infer_one(column(lambda i: f"{i % 90 + 1}{blank}{RANDOM.randint(100, 999)}")).inputs[
        "x"
    ]

    assert (found.kind, found.options["thousands"]) == ("number", " ")


def test_durations_in_parts_are_left_out_as_such():
    cells = column(lambda i: f"{i % 5} h {RANDOM.randint(1, 59)} min")

    assert "durations" in infer_one(cells).left_out["x"].why


@pytest.mark.parametrize(("yes", "no"), [("да", "нет"), ("Да", "Нет"), ("yes", "no")])
def test_a_word_for_no_beside_one_for_yes_is_not_said_to_look_missing(yes: str, no: str):
    assert infer_one(column(lambda i: (yes, no)[i % 2])).warnings == []
    beside = infer_one(column(lambda i: ("красный", "синий", "нет")[i % 3]))
    assert "нет looks like missing" in beside.warnings[0]


def test_infinite_numbers_are_counted():
    cells = column(lambda i: float("inf") if i == 7 else RANDOM.gauss(0, 1))

    assert "1 of 300 cells are infinite and count as bad cells" in infer_one(cells).warnings[0]
