"""A column of float32 is the same in a csv."""

import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mmbm.data.readers import plain_table
from mmbm.kinds.category.column import CategoryColumn
from mmbm.kinds.category.spec import CategorySpec


def fitted(cells, **options) -> CategoryColumn:
    column = CategoryColumn(CategorySpec(**options))
    column.fit(cells)
    return column


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_a_float32_column_is_the_same_in_a_csv(values):
    table = plain_table(pa.table({"x": pa.array(values, pa.float32())}))
    column = fitted(table["x"].to_pylist(), max_values=10_000)
    for written in pd.Series(values, dtype="float32").astype(str):
        assert column.unseen(written) == []
