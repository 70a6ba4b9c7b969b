"""Tables of Hugging Face keep the names of their class labels."""

import json

import pyarrow as pa
import pyarrow.parquet as parquet

from mmbm.data.table import open_table


def test_names_of_hugging_face_class_labels_are_kept(tmp_path):
    feature = {"_type": "ClassLabel", "names": ["cat", "dog"]}
    tags = {"_type": "Sequence", "feature": feature}
    features = json.dumps({"info": {"features": {"y": feature, "tags": tags, "x": {}}}})
    data = pa.table({"x": [1, 2, 3], "y": [0, 1, -1], "tags": [[0, 1], [], None]})
    data = data.replace_schema_metadata({"huggingface": features})
    parquet.write_table(data, tmp_path / "t.parquet")
    for source in (data, tmp_path / "t.parquet"):
        table = open_table(source)
        assert list(table.cells("y")) == ["cat", "dog", None]
        assert list(table.cells("tags")) == [["cat", "dog"], [], None]
        assert list(table.cells("x")) == [1, 2, 3]
