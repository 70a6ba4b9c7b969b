"""What `mmbm init` writes where rows are few."""

from pathlib import Path

import damaged
import pytest
import yaml
from guesses import LABEL, NOISE, RANDOM, ROWS, column, to_text

from mmbm.config import Config
from mmbm.data.table import open_table
from mmbm.init import Inferred, infer, report


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
