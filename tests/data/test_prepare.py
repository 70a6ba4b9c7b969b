"""Prepare: decode once, fit on train only, and tell of everything that was left out."""

import csv
import os

import numpy as np
import pytest
import tiny
from PIL import Image

from mmbm.config import load as configfile
from mmbm.data.batches import Split
from mmbm.data.few import few_rows
from mmbm.data.prepare import prepare
from mmbm.errors import ConfigError, TableError
from mmbm.kinds.image.column import ImageColumn

CLASSES = ("blue", "green", "red")


@pytest.fixture
def folder(tmp_path):
    """24 rows: a picture, a remark, a number, a class, and which split."""
    lines = ["photo,remark,speed,label,split"]
    for i in range(24):
        pixels = np.random.default_rng(i).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        split = "test" if i % 6 == 5 else "valid" if i % 6 == 4 else "train"
        lines.append(f"{i}.png,it is {i},{i},{CLASSES[i % 3]},{split}")
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def decoded(monkeypatch):
    """The cells that the picture decoder was given."""
    seen = []
    decode = ImageColumn.decode

    def counting(self, cell):
        seen.append(cell)
        return decode(self, cell)

    monkeypatch.setattr(ImageColumn, "decode", counting)
    return seen


def config(folder, **changes):
    raw = tiny.config(folder / "data.csv")
    raw["inputs"] = {name: raw["inputs"][name] for name in ("photo", "remark", "speed")}
    return configfile.parse(
        raw, overrides=[f"{k.replace('__', '.')}={v}" for k, v in changes.items()]
    )


def prepared(folder, **changes):
    return prepare(config(folder, **changes), folder / "cache", folder / "quarantine.csv")


def rewrite(folder, old, new):
    text = (folder / "data.csv").read_text()
    assert old in text
    (folder / "data.csv").write_text(text.replace(old, new))


# ── decoding once ────────────────────────────────────────────────────────────────────────────────


def test_a_second_prepare_decodes_nothing(folder, decoded):
    first = prepared(folder)
    assert len(decoded) == 24
    second = prepared(folder)
    assert len(decoded) == 24
    rows = np.arange(24)
    for name, store in first.splits["train"].stores.items():
        again = second.splits["train"].stores[name].gather(rows)
        assert np.array_equal(store.gather(rows).values, again.values)


@pytest.mark.parametrize(
    "change",
    [{"inputs__photo__encoder": "transformer"}, {"inputs__photo__augment": "{flip: true}"},
     {"train__epochs": 9}, {"train__batch_size": 4}, {"fusion": "gated"}],
    ids=str,
)  # fmt: skip
def test_settings_that_do_not_change_decoding_decode_nothing(folder, decoded, change):
    prepared(folder)
    prepared(folder, **change)
    assert len(decoded) == 24


@pytest.mark.parametrize(
    "change",
    [{"inputs__photo__size": 10}, {"inputs__photo__channels": 1}, {"inputs__photo__resize": "pad"}],
    ids=str,
)
def test_settings_that_change_decoding_decode_again(folder, decoded, change):
    prepared(folder)
    prepared(folder, **change)
    assert len(decoded) == 48


def test_a_changed_picture_is_seen(folder, decoded):
    before = prepared(folder).splits["train"].stores["photo"].gather(np.array([0]))
    Image.new("RGB", (12, 12), "red").save(folder / "0.png")
    after = prepared(folder).splits["train"].stores["photo"].gather(np.array([0]))
    assert len(decoded) == 48
    assert (before.values != after.values).any()
    assert after.values[0, 0, 0].tolist() == [255, 0, 0]


def test_a_touched_picture_is_decoded_again_unless_its_bytes_are_asked(folder, decoded):
    prepared(folder, data__rehash="true")
    os.utime(folder / "0.png", (1, 1))
    prepared(folder, data__rehash="true")
    assert len(decoded) == 24
    prepared(folder)
    os.utime(folder / "0.png", (2, 2))
    prepared(folder)
    assert len(decoded) == 72


def test_rehash_sees_a_change_that_keeps_size_and_time(folder, decoded):
    Image.new("RGB", (12, 12), (200, 0, 0)).save(folder / "0.bmp")
    rewrite(folder, "0.png,", "0.bmp,")
    os.utime(folder / "0.bmp", (1, 1))
    prepared(folder, data__rehash="true")
    Image.new("RGB", (12, 12), (0, 0, 200)).save(folder / "0.bmp")
    os.utime(folder / "0.bmp", (1, 1))
    data = prepared(folder, data__rehash="true")
    photo = data.splits["train"].stores["photo"].gather(np.array([0]))
    assert photo.values[0, 0, 0].tolist() == [0, 0, 200]


# ── bad cells ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def damaged(folder):
    """Row 1 has no picture file, row 2 a cut-off one, row 4 a number that is none."""
    (folder / "0.png").unlink()
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])
    rewrite(folder, "3.png,it is 3,3,", "3.png,it is 3,fast,")
    return folder


def quarantine(folder):
    with (folder / "quarantine.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_bad_cells_are_listed_with_row_column_path_and_reason(damaged):
    data = prepared(damaged)
    first, second, third = quarantine(damaged)
    assert first == {
        "row": "1",
        "column": "photo",
        "path": str(damaged / "0.png"),
        "reason": "the file does not exist",
    }
    assert (second["row"], second["path"]) == ("2", str(damaged / "1.png"))
    assert "damaged or cut off" in second["reason"]
    assert (third["row"], third["column"], third["path"]) == ("4", "speed", "")
    assert "'fast', not a number" in third["reason"]
    (note,) = data.notes
    assert note.startswith("3 cells in 3 rows can't be decoded and these rows are left out;")
    assert "row 1, column 'photo': the file does not exist" in note
    assert str(damaged / "quarantine.csv") in note


def test_drop_leaves_the_rows_of_bad_cells_out(damaged):
    rows = prepared(damaged).splits["train"].rows
    assert not {0, 1, 3} & set(rows.tolist())
    assert len(rows) == 16 - 3


def test_missing_keeps_the_rows_and_marks_the_cells_absent(damaged):
    data = prepared(damaged, data__bad_cells="missing")
    train = data.splits["train"]
    assert len(train) == 16
    batch = train.gather(np.arange(4))
    assert batch.rows.tolist() == [0, 1, 2, 3]
    assert batch.inputs["photo"].present.tolist() == [False, False, True, True]
    assert batch.inputs["speed"].present.tolist() == [True, True, True, False]
    assert not batch.inputs["photo"].values[:2].any()
    assert "they count as absent" in data.notes[0]


def test_stop_stops_and_still_writes_the_list(damaged):
    with pytest.raises(TableError, match="3 cells in 3 rows can't be decoded; the first is row 1"):
        prepared(damaged, data__bad_cells="stop")
    assert len(quarantine(damaged)) == 3


def test_without_bad_cells_nothing_is_said(folder):
    assert prepared(folder).notes == []
    assert quarantine(folder) == []


# ── fitting and splits ───────────────────────────────────────────────────────────────────────────


def test_columns_learn_from_train_rows_only(folder):
    plain = prepared(folder).columns
    rewrite(folder, "it is 5,5,red,test", "Zyzzyva Zyzzyva Zyzzyva,1e9,violet,test")
    rewrite(folder, "it is 4,4,green,valid", "Qwijibo Qwijibo Qwijibo,-1e9,orange,valid")
    changed = prepared(folder).columns
    for name in ("remark", "speed", "label"):
        assert changed[name].state == plain[name].state, name
    assert changed["label"].state["values"] == list(CLASSES)
    assert changed["speed"].state["maximum"] == 21


def test_a_class_that_train_lacks_is_a_wrong_answer_not_an_absent_one(folder):
    rewrite(folder, "5,red,test", "5,violet,test")
    test = prepared(folder).splits["test"]
    label = test.gather(np.array([0])).targets["label"]
    assert label.present.all()
    assert label.values.tolist() == [0]


def test_duplicates_across_splits_are_reported(folder):
    (folder / "5.png").write_bytes((folder / "0.png").read_bytes())  # test and train
    notes = prepared(folder).notes
    assert [note for note in notes if "1 of 4 test cells of 'photo' are exact duplicates" in note]


def test_a_duplicate_inside_a_split_is_not_reported(folder):
    (folder / "1.png").write_bytes((folder / "0.png").read_bytes())
    assert prepared(folder).notes == []


def test_a_row_without_its_target_is_left_out_and_said(folder):
    rewrite(folder, "it is 0,0,blue", "it is 0,0,")
    data = prepared(folder)
    assert 0 not in data.splits["train"].rows
    assert data.notes == ["1 rows have no target and are left out."]


def test_a_row_with_one_of_two_targets_teaches_that_one(folder):
    raw = config(folder).model_dump(mode="json")
    raw["targets"] = {"label": "category", "speed": "number"}
    del raw["inputs"]["speed"]
    rewrite(folder, "it is 0,0,blue", "it is 0,0,")
    train = prepare(configfile.parse(raw), folder / "cache").splits["train"]
    batch = train.gather(np.array([0]))
    assert batch.rows.tolist() == [0]
    assert not batch.targets["label"].present[0]
    assert batch.targets["speed"].present[0]


@pytest.mark.parametrize(("empty", "known"), [("unknown", False), ("none", True)])
def test_an_empty_cell_of_labels_is_unknown_or_says_that_none_applies(folder, empty, known):
    raw = config(folder).model_dump(mode="json")
    raw["targets"] = {"label": {"kind": "labels", "empty": empty}}
    rewrite(folder, "it is 0,0,blue", "it is 0,0,")
    data = prepare(configfile.parse(raw), folder / "cache")
    assert (0 in data.splits["train"].rows) == known
    assert any("empty: none" in note for note in data.notes) == (not known)
    if known:
        assert data.splits["train"].gather(np.array([0])).targets["label"].values.tolist() == [
            [0, 0, 0]
        ]


@pytest.mark.parametrize(
    ("sizes", "pooled", "said"),
    [((9, 1, 2), True, True), ((80, 9, 20), True, False), ((80, 9, 20), False, True),
     ((80, 12, 9), True, True), ((80, 12, 0), False, False)],
)  # fmt: skip
def test_splits_of_very_few_rows_are_said_to_give_uncertain_scores(folder, sizes, pooled, said):
    parts = {k: Split({}, [], [], np.arange(n)) for k, n in zip(("train", "valid", "test"), sizes)}
    notes = few_rows(parts, pooled)
    assert len(notes) == said
    if said:
        assert f"{sizes[0]} train, {sizes[1]} valid, {sizes[2]} test rows have a target" in notes[0]


def test_no_usable_row_is_one_sentence(folder):
    for i in range(24):
        (folder / f"{i}.png").unlink()
    with pytest.raises(TableError, match="no usable rows in the train split"):
        prepared(folder)


def test_what_left_a_split_without_rows_is_said(folder):
    for i in range(24):
        (folder / f"{i}.png").unlink()
    with pytest.raises(TableError, match=r"train split: 24 cells in 24 rows can.t be decoded"):
        prepared(folder)
    with pytest.raises(TableError, match=r"in the valid split: data\.split gives it none"):
        prepared(folder, data__bad_cells="missing", data__split="{valid: 0}")


def test_a_bad_target_cell_is_counted_once(folder):
    raw = config(folder).model_dump(mode="json")
    raw["targets"] = {"speed": "number"}
    del raw["inputs"]["speed"]
    rewrite(folder, "it is 0,0,", "it is 0,fast,")
    (note,) = prepare(configfile.parse(raw), folder / "cache").notes
    assert note.startswith("1 cells in 1 rows can't be decoded")


def test_an_input_that_train_never_has_is_said(folder):
    (folder / "data.csv").write_text((folder / "data.csv").read_text().replace(".png", ".gone"))
    notes = prepared(folder, data__bad_cells="missing").notes
    assert "'photo' is absent from every train row: nothing can be learned from it." in notes


def test_a_column_that_cannot_be_fitted_is_named(folder):
    with pytest.raises(ConfigError, match="Column 'label': more than 2 different values"):
        prepared(folder, targets__label__max_values=2)


def test_valid_rows_taken_from_train_are_told(folder):
    table = folder / "data.csv"
    table.write_text(table.read_text("utf-8").replace(",valid", ",train"), encoding="utf-8")
    notes = prepared(folder).notes
    assert any("valid" in note and "train" in note for note in notes), notes
