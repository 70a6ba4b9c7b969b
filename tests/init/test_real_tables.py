"""`mmbm init` on the tables of ../shared/data."""

from pathlib import Path

import pytest
import yaml
from guesses import SHIFTED, SMALL

from mmbm.config import Config
from mmbm.data.table import open_table
from mmbm.init import infer, to_yaml


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
