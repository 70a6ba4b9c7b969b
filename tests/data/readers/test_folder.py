"""A folder of class folders as a table."""

from pathlib import Path

import pytest
from PIL import Image
from rows import rows_of

from mmbm.data.table import open_table
from mmbm.errors import TableError
from mmbm.init import infer, to_yaml


def make_folder(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(folder / name)
    return folder


def test_a_folder_of_class_folders_is_a_table_of_files_and_labels(tmp_path: Path):
    names = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(20)]
    table = open_table(make_folder(tmp_path / "photos", [*names, ".hidden/x.png"]))

    inferred = infer(table, ["label"])

    assert [row[0] for row in rows_of(table)] == sorted(names)
    assert inferred.inputs["file"].kind == "image"
    assert inferred.targets["label"].why == "2 classes"
    assert "  table: photos\n  root: photos\n" in to_yaml(inferred, tmp_path / "c.yaml")


def test_a_folder_of_splits_has_a_split_column(tmp_path: Path):
    names = [
        f"{s}/{label}/{i}.png" for s in ("train", "val", "test") for label in "ab" for i in range(4)
    ]

    table = open_table(make_folder(tmp_path, names))

    assert set(table.cells("split")) == {"train", "valid", "test"}
    assert infer(table, ["label"]).split == "split"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"FOLDER/CLASS/file\.png"),
        (["a.png", "b.png"], r"0 class folders.*ImageFolder"),
        (["cat/a.png"], "1 class folders"),
    ],
)
def test_another_folder_is_refused_with_how_it_should_be(names, message, tmp_path: Path):
    with pytest.raises(TableError, match=message):
        open_table(make_folder(tmp_path, names))


def test_a_folder_with_a_table_in_it_names_the_table(tmp_path: Path):
    (tmp_path / "metadata.csv").write_text("a\n1\n")

    with pytest.raises(TableError, match=r"the table in it is metadata\.csv"):
        open_table(tmp_path)


def test_class_folders_with_a_readme_beside_them_are_a_table(tmp_path):
    for i in range(4):
        folder = tmp_path / f"pics/{'cat' if i % 2 else 'dog'}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / f"{i}.png")
    (tmp_path / "pics/readme.txt").write_text("taken in May")
    assert open_table(tmp_path / "pics").names == ["file", "label"]
    (tmp_path / "pics/data.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TableError, match=r"data\.csv"):
        open_table(tmp_path / "pics")
