"""`mmbm init`: each column becomes what a thoughtful person would have written, and says why."""

import random
import re
from collections import Counter
from pathlib import Path

import damaged
import numpy as np
import pytest
import yaml

from mmbm.config import Config
from mmbm.data.table import open_table
from mmbm.errors import TableError
from mmbm.init import Inferred, infer, report, to_yaml

ROWS = 300
RANDOM = random.Random(0)

SMALL = {"encoder": {"kind": "cnn", "size": "tiny"}}
"""What few rows are read by."""
SHIFTED = {"augment": {"crop": 0.08}}


def column(make, rows: int = ROWS) -> list:
    return [make(i) for i in range(rows)]


LABEL = column(lambda i: RANDOM.choice(["cat", "dog", "owl"]))
NOISE = column(lambda i: round(RANDOM.gauss(0, 1), 4))


def infer_one(cells: list, target: list = LABEL, name: str = "x") -> Inferred:
    """One column beside an input that is always there."""
    return infer(open_table({name: cells, "noise": NOISE, "label": target}), ["label"])


# ── kinds of inputs ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cells", "kind", "options"),
    [
        (column(lambda i: str(RANDOM.gauss(20, 5))), "number", {}),
        (column(lambda i: str(RANDOM.randint(0, 99))), "number", {}),
        (column(lambda i: RANDOM.choice([0, 1])), "number", {}),
        (column(lambda i: np.exp(RANDOM.gauss(3, 2.5))), "number", {"log": True}),
        (column(lambda i: RANDOM.choice(["red", "blue", "green"])), "category", {}),
        (column(lambda i: RANDOM.choice(["001", "002", "010"])), "category", {}),
        (column(lambda i: f"c{RANDOM.randint(1, 40)}"), "category", {}),
        (column(lambda i: RANDOM.choice([True, False])), "category", {}),
        (column(lambda i: f"2024-01-{1 + i % 28:02d}"), "date", {}),
        (
            column(lambda i: f"the {i}th sentence of them, with {i % 7} words"),
            "text",
            {"max_tokens": 256, "tokenizer": "ngram"},
        ),
        (
            column(lambda i: f"请打开第{i}个客厅的灯"),
            "text",
            {"max_tokens": 256, "tokenizer": "ngram"},
        ),
        (column(lambda i: RANDOM.sample(["wet", "cold", "loud"], 2)), "labels", {}),
        (column(lambda i: ";".join(RANDOM.sample(["wet", "cold", "loud"], i % 4))), "labels", {}),
        (column(lambda i: "|".join(RANDOM.sample("abcd", 2))), "labels", {"separator": "|"}),
    ],
    ids=[
        "floats",
        "whole numbers",
        "0 and 1",
        "long tail",
        "words",
        "codes with leading zeros",
        "codes of letters and digits",
        "truth values",
        "dates",
        "sentences",
        "Chinese sentences",
        "lists",
        "separated labels",
        "labels with another separator",
    ],
)
def test_a_kind_is_found_from_the_values(cells, kind, options):
    found = infer_one(cells).inputs["x"]

    assert found.kind == kind
    assert {key: found.options.get(key) for key in options} == options
    assert "log" in options or "log" not in found.options


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


def test_a_few_cells_that_are_no_numbers_do_not_make_a_column_text():
    cells = column(lambda i: "unknown" if i == 9 else str(RANDOM.random()))

    assert infer_one(cells).inputs["x"].kind == "number"


def drawn(values, rows: int = ROWS, even: bool = False) -> list[int]:
    """Whole numbers with repeats, some of them far more frequent than others."""
    rng = np.random.default_rng(1)
    values = np.asarray(values)
    shares = None if even else rng.dirichlet(np.full(len(values), 0.7))
    return [int(value) for value in rng.choice(values, rows, p=shares)]


ZIPS = np.random.default_rng(2).choice(np.arange(10_000, 99_999), 40, replace=False)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("zip", drawn(ZIPS)),
        ("anything", drawn(ZIPS)),  # the values alone say it
        ("productId", drawn(range(2, 1200, 17))),
        ("ColumnStore", drawn(range(1, 31))),
        ("store_id", drawn(range(1, 31), even=True)),
        ("phone prefix", drawn([212, 305, 415, 646, 713, 917])),
    ],
)
def test_whole_numbers_that_name_something_are_a_category_and_that_is_printed(name, cells):
    inferred = infer_one(cells, name=name)

    assert inferred.inputs[name].kind == "category"
    assert any(f"{name}: {len(set(cells))} whole numbers" in line for line in report(inferred))
    assert "kind: number if their size counts" in to_text(inferred)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("age_code", np.random.default_rng(0).normal(45, 12, 3000).round()),  # smooth
        ("zip", np.random.default_rng(0).integers(10_000, 99_999, ROWS)),  # hardly repeats
        ("salary", 500 * np.random.default_rng(0).normal(90, 9, 3000).round()),  # rounded
        ("price", drawn([n * 1000 + 999 for n in range(10, 99)])),
        ("year", drawn(range(1990, 2024))),
        ("height_cm", drawn([40, 60, 75, 80, 90, 120, 128, 160, 200, 202, 236])),
        ("sessions_per_shop", drawn(range(40))),
    ],
)
def test_quantities_stay_numbers_whatever_their_name(name, cells):
    found = infer_one(np.resize(np.asarray(cells), ROWS).tolist(), name=name).inputs[name]

    assert found.kind == "number"
    named = name in ("age_code", "zip")
    assert any("named like a code" in note for note in found.notes) is named


def test_rare_codes_are_grouped_so_that_not_too_many_are_left():
    codes = drawn(range(10_000, 13_000), 12_000)
    inferred = infer(
        open_table({"product_id": codes, "x": NOISE * 40, "label": LABEL * 40}), ["label"]
    )

    options = inferred.inputs["product_id"].options
    kept = sum(n >= options["min_count"] for n in Counter(codes).values())
    assert 300 < kept <= 500


def test_the_codes_of_a_real_table_are_found_and_its_quantities_stay_numbers(data: Path):
    def kinds(folder: str, target: str) -> dict[str, str | None]:
        inputs = infer(open_table(data / folder / "data.csv"), [target]).inputs
        return {name: found.kind for name, found in inputs.items()}

    reviews = kinds("clothing_reviews", "recommended")
    assert (reviews["clothing_id"], reviews["age"]) == ("category", "number")
    sizes = kinds("ikea_prices", "price_sar")
    assert {sizes[name] for name in ("depth_cm", "height_cm", "width_cm")} == {"number"}
    patients = kinds("icu_vitals", "died_in_hospital")
    assert {patients[name] for name in ("age", "n_steps", "weight_kg")} == {"number"}
    assert kinds("fashion_products", "season")["year"] == "number"
    assert kinds("food_weight", "weight_g")["volume_ml"] == "number"


# ── media ────────────────────────────────────────────────────────────────────────────────────────


def test_pictures_are_opened_for_their_size_and_colour(tmp_path: Path):
    for i in range(20):
        (tmp_path / f"{i}.png").write_bytes(damaged.picture(damaged.pixels(28, 28)[..., 0]))
        (tmp_path / f"{i}.jpg").write_bytes(damaged.picture(damaged.pixels(300, 600), "JPEG"))
    table = open_table(
        {
            "digit": [f"{i}.png" for i in range(20)],
            "road": [f"{i}.jpg" for i in range(20)],
            "label": [i % 2 for i in range(20)],
        },
        root=tmp_path,
    )

    inputs = infer(table, ["label"]).inputs

    assert inputs["digit"].options == {"size": 28, "channels": 1, **SHIFTED, **SMALL}
    assert inputs["road"].options == {"size": [48, 96], **SHIFTED, **SMALL}


def test_sounds_are_opened_for_their_rate_and_length_and_a_column_of_lengths_is_left_out():
    seconds = [0.5 + (i % 10) / 10 for i in range(40)]
    table = open_table(
        {
            "speech": [damaged.sound(damaged.tone(s, 44100), 44100) for s in seconds],
            "duration": seconds,
            "label": [RANDOM.choice("ab") for _ in seconds],
        }
    )

    inferred = infer(table, ["label"])

    assert inferred.inputs["speech"].options == {"sample_rate": 16000, "seconds": 1.5, **SMALL}
    assert "the length of speech" in inferred.left_out["duration"].why


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.png", b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        ("a.wav", b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "pip install pillow-heif"),
        ("a.jpg", b"", r"is empty \(0 bytes\)"),
        ("a.jpg", b"<html>404", "is a web page"),
        ("a.png", damaged.bomb(), "more pixels than are safe"),
        ("a.wav", b"noise", "neither an image nor a sound"),
    ],
)
def test_media_that_cant_be_read_are_an_error_with_the_first_cells_reason(
    name, content, reason, tmp_path: Path
):
    (tmp_path / name).write_bytes(content)
    table = open_table(
        {"photo": [name] * 18, "x": NOISE[:18], "label": ["x", "y"] * 9}, root=tmp_path
    )

    with pytest.raises(TableError, match=rf"column 'photo'.*row 1, {name}: .*{reason}"):
        infer(table, ["label"])


def test_absolute_paths_of_another_machine_are_named_as_such(tmp_path: Path):
    for folder in ("/home/somebody/data", "C:\\data"):
        cells = [f"{folder}/{i}.png" for i in range(18)]
        table = open_table({"photo": cells, "label": ["x", "y"] * 9}, root=tmp_path)

        with pytest.raises(TableError, match=r"absolute path, perhaps of another machine"):
            infer(table, ["label"])


def test_media_that_are_not_there_are_an_error_that_names_the_folder(tmp_path: Path):
    table = open_table({"photo": ["a.png", "b.png"] * 9, "label": ["x", "y"] * 9}, root=tmp_path)

    with pytest.raises(TableError, match=r"column 'photo'.*data\.root"):
        infer(table, ["label"])


# ── targets ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (LABEL, "category"),
        (column(lambda i: str(i % 10)), "category"),
        (column(lambda i: RANDOM.choice([True, False])), "category"),
        (column(lambda i: RANDOM.gauss(0, 1)), "number"),
        (column(lambda i: RANDOM.randint(0, 5000)), "number"),
        (column(lambda i: ["a", "b"][: i % 3]), "labels"),
    ],
)
def test_a_target_has_the_kind_of_its_values(cells, kind):
    assert infer(open_table({"x": NOISE, "t": cells}), ["t"]).targets["t"].kind == kind


def skewed(rows: int = ROWS, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(5, 1.2, rows))


@pytest.mark.parametrize(
    ("cells", "log"),
    [
        (skewed().round(2), True),
        (np.ceil(skewed()), True),
        (np.floor(skewed(seed=1) / 40), True),  # counts, some of them 0
        (skewed() * np.where(np.arange(ROWS) % 9, 1, -1) - 20, False),  # gains apart from losses
        (np.where(np.arange(ROWS) % 2, skewed(), 0), False),  # zeros apart from the rest
        (np.random.default_rng(0).normal(0, 5, ROWS), False),
        (np.random.default_rng(0).normal(50, 5, ROWS), False),
        (np.random.default_rng(0).uniform(0, 900, ROWS), False),
        (np.random.default_rng(0).beta(1, 9, ROWS), False),  # below 1 a logarithm changes nothing
    ],
    ids=["prices", "whole prices", "counts", "gains and losses", "half zeros", "signed", "normal",
         "even", "fractions"],
)  # fmt: skip
def test_of_a_long_tail_the_logarithm_is_taken_and_the_target_says_so(cells, log):
    as_input = infer_one(list(cells)).inputs["x"]
    inferred = infer(open_table({"x": NOISE, "cost": list(cells)}), ["cost"])
    target = inferred.targets["cost"]

    assert as_input.options.get("log", False) is log
    assert (target.kind, target.options.get("log", False)) == ("number", log)
    assert ("a long tail (skewness" in target.why) is log
    assert any("log: false learns it as it is" in line for line in report(inferred)) is log


def shares(first: int, *parts: int) -> list[int]:
    """Whole numbers from `first` on, so many of each, mixed."""
    cells = [first + i for i, part in enumerate(parts) for _ in range(part)]
    return random.Random(0).sample(cells, len(cells))


@pytest.mark.parametrize(
    ("name", "cells", "kind", "said"),
    [
        ("rating", shares(1, 8, 12, 30, 70, 180), "number", "kind: category"),
        ("stars", shares(1, 60, 60, 60, 60, 60), "number", "kind: category"),
        ("y", shares(0, 20, 30, 80, 90, 50, 30), "number", "kind: category"),
        ("points", shares(84, *[20] * 15), "number", "kind: category"),
        ("quality", shares(3, 10, 30, 100, 110, 40, 10), "number", "kind: category"),
        ("y", shares(0, *[30] * 10), "category", "kind: number"),  # as frequent as one another
        ("y", shares(0, 90, 10, 80, 20, 75, 25), "category", "kind: number"),  # in no order
        ("y", shares(1, 40, 60, 200), "category", "kind: number"),
        ("y", [code for code in (200, 404, 500) for _ in range(100)], "category", "kind: number"),
        ("digit", shares(0, 60, 50, 40, 30, 30, 30, 20, 20, 10, 10), "category", ""),
        ("label", shares(0, *[6] * 50), "category", ""),
        ("y", shares(0, 200, 100), "category", ""),
    ],
)
def test_whole_numbers_in_order_are_a_number_and_numbered_classes_stay_classes(
    name, cells, kind, said
):
    table = open_table({"x": [RANDOM.random() for _ in cells], name: cells})
    inferred = infer(table, [name])
    text = to_text(inferred)
    printed = [line for line in report(inferred) if line.startswith(f"Note: {name}:")]
    printed = [line for line in printed if "kind:" in line]

    assert inferred.targets[name].kind == kind
    assert len(printed) == bool(said)
    assert all(said in line for line in printed)
    assert said in text.partition("\ntargets:")[2]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"no": 200, "yes": 100}, "no has 67%"),
        ({"no": 190, "yes": 110}, ""),
        ({"a": 150, "b": 135, "c": 15}, "a has 50%, c 5.0%"),
        ({"a": 149, "b": 135, "c": 16}, ""),
    ],
    ids=["two thirds", "less", "ten times the rarest", "less than ten times"],
)
def test_uneven_classes_are_said_in_the_config_and_printed_with_what_to_do(counts, said):
    cells = [value for value, rows in counts.items() for _ in range(rows)]
    inferred = infer(open_table({"x": NOISE, "y": random.Random(0).sample(cells, ROWS)}), ["y"])
    printed = [line for line in report(inferred) if "uneven classes" in line]
    expected = f"Note: y: uneven classes: {said}; `train: {{monitor: y.balanced_accuracy}}` decides"

    assert len(printed) == bool(said)
    assert all(line.startswith(expected) for line in printed)
    assert ("uneven classes" in inferred.targets["y"].why) is bool(said)


def test_the_setting_that_uneven_classes_are_given_is_a_valid_one():
    cells = ["no"] * 250 + ["yes"] * 50
    inferred = infer(open_table({"x": NOISE, "y": random.Random(0).sample(cells, ROWS)}), ["y"])
    raw = yaml.safe_load(to_text(inferred))
    advice = inferred.warnings[0].split("`")[1]

    raw["train"] |= yaml.safe_load(advice)["train"]

    assert Config.model_validate(raw).train.monitor == "y.balanced_accuracy"


def test_numbers_in_brackets_are_negative_and_that_is_said():
    cells = column(lambda i: "(624.31)" if i % 3 else f"{RANDOM.gauss(50, 9):.2f}")
    inferred = infer_one(cells)
    assert inferred.inputs["x"].kind == "number"
    assert "Note: x: (624.31) is read as -624.31: brackets mean negative." in report(inferred)


def test_brackets_and_a_sign_are_refused_with_what_to_write():
    inferred = infer_one(column(lambda i: f"-({RANDOM.gauss(50, 9):.2f})"))
    assert "which have two readings; write -5 or (5)" in inferred.left_out["x"].why


TAGS = column(lambda i: "a;b" if i % 2 else "b;c" if i % 3 else "a")


def test_empty_cells_of_labels_are_unknown_and_that_is_said():
    cells = [None if i % 5 == 0 else tags for i, tags in enumerate(TAGS)]
    inferred = infer(open_table({"x": NOISE, "tags": cells}), ["tags"])
    assert inferred.targets["tags"].kind == "labels"
    assert report(inferred) == [
        "Note: tags: 60 of 300 cells are empty and count as unknown, so these rows are left out; "
        "if they mean that no label applies: empty: none."
    ]


def test_empty_texts_and_lists_say_that_no_label_applies():
    cells = [[] if i % 5 == 0 else tags.split(";") for i, tags in enumerate(TAGS)]
    (note,) = report(infer(open_table({"x": NOISE, "tags": cells}), ["tags"]))
    assert "60 of 300 cells are an empty text or list and mean that no label applies" in note


@pytest.mark.parametrize("rows", [12, 49, 60])
def test_very_few_rows_are_said_to_give_uncertain_scores(rows):
    table = {"x": NOISE[:rows], "label": (["cat", "dog"] * ROWS)[:rows]}
    said = [line for line in report(infer(open_table(table), ["label"])) if "uncertain" in line]
    assert len(said) == (rows < 50)
    if said:
        assert said[0].startswith(f"Note: only {rows} rows have a target: scores on so few rows")


def test_very_few_test_rows_are_said_too():
    parts = ["train"] * 80 + ["valid"] * 15 + ["test"] * 5
    table = {"x": NOISE[:100], "label": ["cat", "dog"] * 50, "split": parts}
    assert any(
        "only 5 rows are test" in line for line in report(infer(open_table(table), ["label"]))
    )


def test_all_that_is_left_out_is_printed_with_its_reason():
    table = {"id": list(range(ROWS)), "same": ["a"] * ROWS, "empty": [None] * ROWS, "x": NOISE}
    inferred = infer(open_table({**table, "why": NOISE, "label": LABEL}), ["label"], drop=["why"])

    assert [line for line in report(inferred) if line.startswith("Left out")] == [
        "Left out: id: an identifier: different in (nearly) every row.",
        "Left out: same: the same in every row: a.",
        "Left out: empty: empty.",
        "Left out: why: dropped as asked.",
    ]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (column(lambda i: None), "empty in every row"),
        (column(lambda i: "one"), "one value, one"),
        (column(lambda i: f"a sentence about {i}"), "300 different values"),
    ],
)
def test_a_target_with_nothing_to_learn_is_refused(cells, message):
    with pytest.raises(TableError, match=message):
        infer(open_table({"x": NOISE, "t": cells}), ["t"])


def test_a_column_that_is_not_there_is_refused():
    table = open_table({"x": NOISE, "label": LABEL})
    for arguments in ({"targets": ["lable"]}, {"targets": ["label"], "drop": ["lable"]}):
        with pytest.raises(TableError, match="Did you mean 'label'"):
            infer(table, **arguments)


def test_no_input_left_is_refused_with_every_reason():
    table = open_table({"id": list(range(ROWS)), "label": LABEL})

    with pytest.raises(TableError, match="id: an identifier"):
        infer(table, ["label"])


# ── leaks ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "rename",
    [str.upper, lambda label: {"cat": 5, "dog": 2, "owl": 9}[label]],
    ids=["text", "number"],
)
def test_the_target_under_another_name_is_left_out(rename):
    inferred = infer_one([rename(label) for label in LABEL])

    assert inferred.left_out["x"].why == "practically the target label itself"
    assert "To use it: x: {kind:" in to_text(inferred)


def test_a_finer_category_is_kept_with_a_warning():
    inferred = infer_one([f"{label} {RANDOM.randint(1, 4)}" for label in LABEL])

    assert inferred.inputs["x"].kind == "category"
    assert "x nearly determines label" in inferred.warnings[0]
    assert inferred.warnings[0] in to_text(inferred)


def test_a_text_that_spells_out_the_target_is_warned_of():
    texts = [
        f"a {label} that was seen {i} times {RANDOM.random()}" for i, label in enumerate(LABEL)
    ]

    assert "x spells out label" in infer_one(texts).warnings[0]


def test_a_number_that_is_the_target_in_another_unit_is_left_out():
    target = [RANDOM.gauss(20, 5) for _ in range(ROWS)]
    inferred = infer_one([1.8 * value + 32 for value in target], target)

    assert inferred.left_out["x"].why == "practically the target label itself"


def test_an_unrelated_or_merely_useful_column_is_no_leak():
    useful = [label if RANDOM.random() < 0.8 else "owl" for label in LABEL]

    inferred = infer_one(useful)

    assert "x" in inferred.inputs
    assert inferred.warnings == []


def test_the_few_repeated_rows_of_a_text_are_no_leak():
    # Every text is of one class, but most texts occur once: nothing is told of a new row.
    texts = [
        f"the {label} number {i // 8 if i % 8 < 2 else i + 1000}" for i, label in enumerate(LABEL)
    ]
    texts = [text.replace(label, "animal") + f" {label[0]}" for text, label in zip(texts, LABEL)]

    assert infer_one(texts).warnings == []


def test_a_copy_of_another_input_is_left_out():
    colour = column(lambda i: RANDOM.choice(["red", "blue"]))
    table = open_table({"colour": colour, "color": list(colour), "label": LABEL})

    inferred = infer(table, ["label"])

    assert list(inferred.inputs) == ["colour"]
    assert "the same as colour" in inferred.left_out["color"].why


# ── few rows ─────────────────────────────────────────────────────────────────────────────────────


def test_few_rows_are_read_by_n_grams_without_order_and_with_more_dropout():
    texts = column(lambda i: f"the {i}th sentence of them, with {i % 7} words")
    few = infer(open_table({"x": texts, "noise": NOISE, "label": LABEL}), ["label"])
    many = infer(open_table({"x": texts * 60, "noise": NOISE * 60, "label": LABEL * 60}), ["label"])

    assert few.inputs["x"].options["encoder"] == {"kind": "bag", "size": "tiny"}
    assert few.inputs["x"].options["tokenizer"] == "ngram"
    assert "encoder" not in many.inputs["x"].options
    assert yaml.safe_load(to_text(few))["fusion"] == {"kind": "concat", "dropout": 0.3}
    assert yaml.safe_load(to_text(many))["fusion"] == "concat"


def test_of_the_columns_that_the_split_keeps_apart_the_coarsest_groups_the_folds():
    animal = column(lambda i: i // 3)
    herd = column(lambda i: i // 30)
    splits = column(lambda i: ["train", "train", "test"][i // 30 % 3])
    session = column(lambda i: i % 4)  # names who, but is in every split
    table = {"session": session, "animal": animal, "herd": herd, "split": splits, "x": NOISE}

    inferred = infer(open_table({**table, "label": LABEL}), ["label"])

    assert inferred.group == "herd"
    assert yaml.safe_load(to_text(inferred))["data"]["group"] == "herd"
    assert infer(open_table({"split": splits, "x": NOISE, "label": LABEL}), ["label"]).group is None


def cameras(tmp_path: Path, repeat: int = 1) -> Inferred:
    """Two cameras, of which one has a picture of another shape now and then, and a grey scan."""
    for i in range(20):
        side = damaged.pixels(90, 120) if i % 4 else damaged.pixels(90, 140)
        (tmp_path / f"side{i}.png").write_bytes(damaged.picture(side))
        (tmp_path / f"top{i}.png").write_bytes(damaged.picture(damaged.pixels(90, 120)))
        (tmp_path / f"scan{i}.png").write_bytes(damaged.picture(damaged.pixels(90, 120)[..., 0]))
    names = ("side", "top", "scan")
    columns = {name: [f"{name}{i}.png" for i in range(20)] * repeat for name in names}
    labels = [RANDOM.choice("ab") for _ in range(20 * repeat)]
    return infer(open_table({**columns, "label": labels}, root=tmp_path), ["label"])


def test_pictures_of_one_sort_share_an_encoder_where_rows_are_few(tmp_path: Path):
    inferred = cameras(tmp_path)
    inputs = yaml.safe_load(to_text(inferred))["inputs"]

    assert inputs["top"].pop("share_weights_with") == "side"
    assert inputs["top"] == inputs["side"]  # decoded alike, as sharing needs
    assert "share_weights_with" not in inputs["scan"]
    assert "few rows, so one encoder with side" in to_text(inferred)
    Config.model_validate(yaml.safe_load(to_text(inferred)))


def test_with_many_rows_pictures_of_one_sort_have_an_encoder_each(tmp_path: Path):
    inputs = yaml.safe_load(to_text(cameras(tmp_path, repeat=800)))["inputs"]

    assert all("share_weights_with" not in options for options in inputs.values())


def test_pictures_to_match_do_not_share_an_encoder_unasked(tmp_path: Path):
    cameras(tmp_path)
    columns = {name: [f"{name}{i}.png" for i in range(20)] for name in ("side", "top")}
    inferred = infer(open_table(columns, root=tmp_path), [], contrastive=["side", "top"])

    assert all("share_weights_with" not in found.options for found in inferred.inputs.values())


def test_the_pictures_of_a_real_table_share_an_encoder(data: Path):
    def shared(folder: str, target: str) -> dict[str, str]:
        inputs = infer(open_table(data / folder / "data.csv"), [target]).inputs
        return {
            n: f.options["share_weights_with"]
            for n, f in inputs.items()
            if "share_weights_with" in f.options
        }

    weights = infer(open_table(data / "food_weight" / "data.csv"), ["weight_g"]).inputs
    assert weights["image_side"].options["size"] == weights["image_top"].options["size"] == [72, 96]
    assert shared("food_weight", "weight_g") == {"image_top": "image_side"}
    assert shared("driving_sim", "steering") == dict.fromkeys(
        ("image_left", "image_right"), "image_center"
    )
    assert shared("fashion_products", "season") == {}


# ── split, selection, file ───────────────────────────────────────────────────────────────────────


def test_a_split_column_is_used_and_a_second_one_left_out():
    splits = column(lambda i: ["train", "train", "train", "valid", "test"][i % 5])
    table = open_table({"official": splits[::-1], "split": splits, "x": NOISE, "label": LABEL})

    inferred = infer(table, ["label"])

    assert inferred.split == "split"
    assert inferred.left_out["official"].why == "another split of the rows"


def test_values_that_only_occur_in_train_or_only_outside_are_left_out():
    splits = column(lambda i: ["train", "train", "test"][i % 3])
    room = [f"{split} room {RANDOM.randint(0, 3)}" for split in splits]
    table = open_table({"room": room, "split": splits, "x": NOISE, "label": LABEL})

    assert "occurs in train" in infer(table, ["label"]).left_out["room"].why


def test_drop_and_only_choose_the_inputs():
    table = open_table({"x": NOISE, "y": NOISE[::-1], "z": NOISE[5:] + NOISE[:5], "label": LABEL})

    assert list(infer(table, ["label"], drop=["y"]).inputs) == ["x", "z"]
    assert list(infer(table, ["label"], only=["y"]).inputs) == ["y"]


def test_the_file_names_the_table_relative_to_itself_and_is_a_valid_config(tmp_path: Path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "table: 1.csv"
    lines = [f"{n};{label}" for n, label in zip(NOISE, LABEL)]
    path.write_text("\n".join(["a: b;label", *lines]), encoding="utf-16")
    table = open_table(path, encoding="utf-16", delimiter=";")

    text = to_yaml(infer(table, ["label"]), tmp_path / "config.yaml")

    raw = yaml.safe_load(text)
    config = Config.model_validate(raw)
    assert config.data.table == "data/table: 1.csv"
    assert (config.data.encoding, config.data.delimiter) == ("utf-16", ";")
    assert list(config.inputs) == ["a: b"]


def test_small_tables_get_more_epochs_than_large_ones():
    few = infer(open_table({"x": NOISE, "label": LABEL}), ["label"]).train
    many = infer(open_table({"x": NOISE * 400, "label": LABEL * 400}), ["label"]).train

    assert few["epochs"] > many["epochs"] >= 3
    assert few["batch_size"] < many["batch_size"]


def to_text(inferred: Inferred) -> str:
    """The config's text; its table isn't a file, so the path in it means nothing."""
    return to_yaml(inferred, Path("config.yaml"))


# ── the real tables ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("folder", "target", "group"),
    [
        ("driving_sim", "steering", "block"),
        ("fsdd", "label", "speaker"),
        ("cat_meows", "context", "cat"),
        ("ikea_prices", "price_sar", "family"),
        ("food_weight", "weight_g", "portion"),
        ("wakewords", "label", None),
    ],
)
def test_what_the_split_of_a_real_table_keeps_apart_groups_its_folds(
    folder, target, group, data: Path
):
    assert infer(open_table(data / folder / "data.csv"), [target]).group == group


@pytest.mark.parametrize(
    ("folder", "targets", "inputs", "left_out"),
    [
        ("mnist", "label", "image", ""),
        ("fsdd", "label", "audio", "text speaker take duration_s sample_rate split_official"),
        ("avmnist_pairs", "label", "image audio", "speaker"),
        (
            "fashion_products",
            "season",
            "image text gender base_colour year usage master_category sub_category article_type",
            "id label",
        ),
        (
            "emoji_zh_en",
            "label",
            "image text text_zh tags tags_zh emoji_version subgroup",
            "hexcode",
        ),
        (
            "wakewords",
            "label",
            "audio text language clip_license",
            "contributor duration_s sample_rate",
        ),
        (
            "driving_sim",
            "steering throttle",
            "image_center image_left image_right speed",
            "frame time brake block",
        ),
        ("esc10_fold4", "label", "audio take", "target source_clip duration_s sample_rate"),
    ],
)
def test_a_real_table_is_understood(folder, targets, inputs, left_out, data: Path, tmp_path: Path):
    inferred = infer(open_table(data / folder / "data.csv"), targets.split())

    assert list(inferred.inputs) == inputs.split()
    assert set(inferred.left_out) == set(left_out.split())
    assert inferred.split == "split"
    Config.model_validate(yaml.safe_load(to_yaml(inferred, tmp_path / "config.yaml")))


def test_real_media_get_settings_that_suit_them(data: Path):
    def options(folder: str, name: str) -> dict:
        found = infer(open_table(data / folder / "data.csv"), ["label"], only=[name])
        return found.inputs[name].options

    assert options("mnist", "image") == {"size": 28, "channels": 1, **SHIFTED}
    assert options("emoji_zh_en", "image") == {"size": 64, **SHIFTED, **SMALL}
    assert options("fsdd", "audio") == {"sample_rate": 8000, "seconds": 1.0, **SMALL}
    assert options("wakewords", "audio") == {"sample_rate": 16000, "seconds": 4.0, **SMALL}


@pytest.mark.parametrize(
    ("folder", "target", "kind", "options"),
    [
        ("ikea_prices", "price_sar", "number", {"log": True}),
        ("receipts", "total", "number", {"log": True}),
        ("icu_vitals", "length_of_stay", "number", {"log": True}),
        ("food_weight", "weight_g", "number", {}),
        ("clothing_reviews", "rating", "number", {}),
        ("blood_cells", "n_platelets", "number", {}),
        ("mnist", "label", "category", {}),
        ("fsdd", "label", "category", {}),
        ("icu_vitals", "died_in_hospital", "category", {}),
    ],
)
def test_a_target_of_a_real_table_is_what_it_means(folder, target, kind, options, data: Path):
    found = infer(open_table(data / folder / "data.csv"), [target]).targets[target]

    assert (found.kind, found.options) == (kind, options)


def test_the_leak_of_a_real_table_is_warned_of(data: Path):
    warnings = infer(open_table(data / "emoji_zh_en" / "data.csv"), ["label"]).warnings

    assert any(warning.startswith("subgroup nearly determines label") for warning in warnings)


def test_whole_numbers_that_floats_cannot_tell_apart_are_left_out_by_name():
    big = [str(4 * 10**18 + i % 50) for i in range(120)]
    table = open_table({"big": big, "x": [i / 7 for i in range(120)], "y": ["a", "b"] * 60})
    assert "2^53" in infer(table, ["y"]).left_out["big"].why


def test_a_mark_in_some_rows_is_not_called_the_same_in_every_row():
    vip = ["x" if i % 3 else None for i in range(120)]
    table = open_table({"vip": vip, "x": [i / 7 for i in range(120)], "y": ["a", "b"] * 60})
    assert "in all 80 rows that aren't empty" in infer(table, ["y"]).left_out["vip"].why


@pytest.mark.parametrize(
    ("first", "step", "what"),
    [(20240101, 1, "yyyymmdd"), (202401, 1, "yyyymm"), (1_700_000_000, 3601, "seconds since 1970"),
     (1_700_000_000_000, 3_600_001, "milliseconds"), (4000, 7, "")],
)  # fmt: skip
def test_dates_written_as_numbers_are_said(first, step, what):
    chance = random.Random(0)
    cells = [first + chance.randrange(12) * step for _ in range(120)]
    table = open_table({"when": cells, "x": [i / 7 for i in range(120)], "y": ["a", "b"] * 60})
    found = infer(table, ["y"]).inputs["when"]
    notes = " ".join(found.notes)
    assert found.kind == "number"
    assert ("look like" in notes) == bool(what)
    assert what in notes


# ── units, words for nothing, truth values ───────────────────────────────────────────────────────


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


def test_truth_values_in_several_spellings_are_two_values_and_said():
    words = ["true", "TRUE", "1", "yes", "no", "0", "False"]
    inferred = infer_one(NOISE, target=column(lambda i: words[RANDOM.randrange(7)]))

    assert inferred.targets["label"].why.startswith("2 classes")
    assert "are truth values in several spellings, and are read as" in inferred.warnings[0]


def test_truth_values_beside_another_word_are_named_with_the_cure():
    inferred = infer_one(column(lambda i: ("true", "false", "yes", "unsure")[i % 4]))

    assert "stay different values beside unsure" in inferred.warnings[0]
    assert "missing: [unsure]" in inferred.warnings[0]
    assert infer_one(column(lambda i: ("f", "m", "n")[i % 3])).warnings == []


@pytest.mark.parametrize("cells", [
    column(lambda i: ("cafÃ©", "naÃ¯ve")[i % 2]),
    column(lambda i: f"the {i}th cafÃ© of them, with {i % 7} words"),
])  # fmt: skip
def test_text_that_was_decoded_wrongly_before_is_said(cells):
    assert "looks like" in infer_one(cells).warnings[0]
    assert "text.encode('cp1252').decode('utf-8')" in infer_one(cells).warnings[0]
    assert infer_one(column(lambda i: ("café", "Ärger", "São")[i % 3])).warnings == []


def test_infinite_numbers_are_counted():
    cells = column(lambda i: float("inf") if i == 7 else RANDOM.gauss(0, 1))

    assert "1 of 300 cells are infinite and count as bad cells" in infer_one(cells).warnings[0]
