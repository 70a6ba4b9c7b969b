"""`mmbm init` reads columns as people write them, writes the way of reading down, and says so."""

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from written import LABEL, NOISE, ROWS, as_input, as_target, column

from mmbm.config import Config
from mmbm.data.table import open_table
from mmbm.errors import TableError
from mmbm.init import infer, to_yaml
from mmbm.kinds.column import build

R = random.Random(4)


def decimal(places: int = 2, mark: str = ".") -> str:
    return f"{R.uniform(1, 99):.{places}f}".replace(".", mark)


def grouped(mark: str) -> str:
    return f"{R.randint(1, 9)}{mark}{R.randint(100, 999)}"


WRITTEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "decimal comma": (lambda i: decimal(2, ","), {"decimal": ","}),
    "thousands": (lambda i: grouped(","), {"thousands": ","}),
    "thousands of India": (lambda i: "1," + decimal(0).zfill(2)[:2] + ",500", {"thousands": ","}),
    "dollars": (lambda i: f"${grouped(',')}.50", {"thousands": ",", "unit": "$"}),
    "euros": (lambda i: f"{grouped('.')},50 €", {"decimal": ",", "thousands": ".", "unit": "€"}),
    "francs": (lambda i: f"CHF {grouped('’')}.20", {"thousands": "'", "unit": "CHF"}),
    "reais": (lambda i: f"R$ {grouped('.')},50", {"decimal": ",", "thousands": ".", "unit": "R$"}),
    "thin spaces": (lambda i: grouped("\u202f"), {"thousands": " "}),
    "hard spaces": (lambda i: f"{grouped(chr(160))},5", {"decimal": ",", "thousands": " "}),
    "percent": (lambda i: f"{decimal(1)} %", {"unit": "%"}),
    "a unit": (lambda i: f"{R.randint(1, 99)} kg", {"unit": "kg"}),
    "degrees": (lambda i: f"{R.randint(-9, 30)}°C", {"unit": "°C"}),
    "a compound unit": (lambda i: f"{R.randint(1, 99)} km/h", {"unit": "km/h"}),
    "magnitudes": (
        lambda i: R.choice(["1.2k", "3M", "900", "4.5k"]), {"unit": {"k": 1e3, "M": 1e6}},
    ),
    "millions of dollars": (lambda i: f"${R.randint(1, 9)}.5M", {"unit": {"$": 1, "M": 1e6}}),
    "fractions of three places": (lambda i: f"0,{R.randint(100, 999)}", {"decimal": ","}),
    "long numbers": (
        lambda i: f"{grouped(' ')} {R.randint(100, 999)},89", {"decimal": ",", "thousands": " "},
    ),
    "a question mark": (lambda i: "?" if i % 9 == 0 else decimal(1), {"missing": ["?"]}),
    "a dash": (lambda i: "-" if i % 9 == 0 else decimal(1), {"missing": ["-"]}),
    "words": (
        lambda i: "not available" if i % 9 == 0 else decimal(1), {"missing": ["not available"]},
    ),
    "brackets": (lambda i: f"({decimal()})" if i % 3 == 0 else decimal(), {}),
    "a real minus": (lambda i: f"−{decimal()}", {}),
    "exponents": (lambda i: f"{R.random():.2E}", {}),
    "full-width digits": (lambda i: "１２．" + str(R.randint(0, 9)), {}),
}  # fmt: skip


@pytest.mark.parametrize(("make", "options"), WRITTEN.values(), ids=WRITTEN)
def test_numbers_are_found_however_they_are_written(make, options):
    cells = column(make)
    found, target = as_input(cells), as_target(cells)

    assert (found.kind, target.kind) == ("number", "number")
    assert {k: v for k, v in found.options.items() if k != "log"} == options
    assert {k: v for k, v in target.options.items() if k != "log"} == options


@pytest.mark.parametrize("name", WRITTEN)
def test_the_column_reads_every_cell_by_the_options_that_were_written(name):
    cells = column(WRITTEN[name][0])
    table = open_table({"x": cells, "noise": NOISE, "label": LABEL})

    raw = yaml.safe_load(to_yaml(infer(table, ["label"]), Path("config.yaml")))
    reader = build(Config.model_validate(raw).inputs["x"])
    reader.fit(cells)

    missing = raw["inputs"]["x"].get("missing", [])
    assert all((reader.decode(cell) is None) == (cell in missing) for cell in cells)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda i: R.choice(["1 kg", "500 g", "2 kg"]), r"several units \(.*unit: \{"),
        (lambda i: R.choice("$€") + str(i % 50), "several units"),
        (lambda i: R.choice(["1,5", "2.5", "12,25", "1.75"]), "two ways, .* write them in one"),
        (lambda i: R.choice(["12%", "0.12", "55%", "0.5"]), "12% and as 0.12"),
    ],
)
def test_numbers_in_two_ways_are_never_read_in_one(make, why):
    cells = column(make)

    assert as_input(cells).kind is None
    with pytest.raises(TableError, match=why):
        as_target(cells)


@pytest.mark.parametrize(
    "make",
    [
        lambda i: f"{R.randint(10, 28)}.12.2024",
        lambda i: f"1.{i % 9}.{i % 7}",
        lambda i: f"10.0.{i % 50}.{i}",
        lambda i: f"{i % 24}:30",
        lambda i: f"P{i % 40:03d}",
        lambda i: f"{i % 30 + 1}{R.choice('ABCD')}",
        lambda i: f"{i % 30} {R.choice(['Oak', 'Elm'])} Street",
        lambda i: f"555 {R.randint(100, 999)} {R.randint(100, 999)}",
        lambda i: f"{i % 100:03d}",
        lambda i: f"{i % 9}-{i % 9 + 10}",
    ],
)
def test_digits_that_are_no_numbers_stay_words(make):
    assert as_input(column(make)).kind != "number"


def test_what_may_mean_two_numbers_is_said():
    commas, points = (
        as_input(column(lambda i: grouped(","))),
        as_input(column(lambda i: grouped("."))),
    )

    assert "if it is a fraction: decimal: ','" in commas.notes[0]
    assert "decimal: ',', thousands: '.'" in points.notes[0]
    assert as_input(column(lambda i: f"0.{R.randint(100, 999)}")).notes == ()


def test_cells_that_are_no_numbers_are_counted():
    found = as_input(column(lambda i: "<0.1" if i % 10 == 0 else decimal()))

    assert found.kind == "number"
    assert "12 of 120 cells are no numbers and count as bad cells, such as <0.1" in found.notes[0]


def test_a_number_that_stands_for_none_is_pointed_out():
    found = as_input(column(lambda i: -999 if i % 8 == 0 else R.randint(1, 50)))

    assert "missing: [-999]" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (range(84, 99), "number"),
        (range(18, 26), "number"),
        (range(10), "category"),
        (range(1, 6), "category"),
        ((200, 404, 500), "category"),
        ((-1, 1), "category"),
        (range(101), "number"),
    ],
)
def test_a_target_of_whole_numbers_is_of_classes_only_if_they_count_from_the_start(values, kind):
    found = as_target([R.choice(list(values)) for _ in range(ROWS)])

    assert found.kind == kind
    if 2 < len(values) <= 20:
        other = "number" if kind == "category" else "category"
        assert f"kind: {other} if" in found.why
