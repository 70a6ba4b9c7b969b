"""A condition on the columns of an index."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.errors import MmbmError
from mmbm.search.where import to_sql

FIELDS = {
    "year": pa.int64(), "price": pa.float64(), "shop": pa.string(), "sold": pa.bool_(),
    "Name of it": pa.string(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("where", "sql"),
    [
        ("year > 2015", "(`year` > 2015)"),
        ("YEAR == 2015 and shop = 'O''Brien'", "((`year` = 2015) AND (`shop` = 'O''Brien'))"),
        ("not (price <= -1.5e3 or sold)", "(NOT ((`price` <= -1500.0) OR `sold`))"),
        ("shop in ('a', 'b') and year not in (1,2)",
         "((`shop` IN ('a', 'b')) AND (`year` NOT IN (1, 2)))"),
        ("`Name of it` like 'x%' or \"Name of it\" is not null",
         "((`Name of it` LIKE 'x%') OR (`Name of it` IS NOT NULL))"),
        ("price between 1 and 2 and sold = false",
         "((`price` BETWEEN 1 AND 2) AND (`sold` = FALSE))"),
    ],
)  # fmt: skip
def test_a_condition_is_written_again_as_sql(where, sql):
    assert to_sql(where, FIELDS) == sql


@pytest.mark.parametrize(
    "where",
    [
        "length(repeat(shop, 3000000)) > 0", "lpad('a',500000000,'b')='x'", "sum(year) > 1",
        "row_number() over () = 1", "cast(shop as int) > 0", "year = year", "1 = 1", "shop > 3",
        "year = 'x'", "mmbm_path_0 is null", "mmbm_vector_0 is null", "year > 1; drop table rows",
        "year > 1 -- x", "year > /* */ 1", "(" * 30 + "sold" + ")" * 30, "not " * 30 + "sold", "",
        "   ", "year >",
        "year in ()", "shop like price", "year = 1e999", "'", "`", "year between 1",
        "shop || 'x' = 'y'", "select 1", "exists (select 1)", "sold or or sold", "x" * 1001,
        "year in (" + ",".join(["1"] * 200) + ")", "shop ~ 'x'", "shop = E'\\n'", "year = 0x10",
    ],
)  # fmt: skip
def test_nothing_but_comparisons_of_shown_columns_is_a_condition(where):
    with pytest.raises(MmbmError, match="where"):
        to_sql(where, FIELDS)


@given(st.text(max_size=60) | st.text("()'`\"=<>andorti ny1e.,%", max_size=60))
def test_any_text_is_a_condition_or_a_sentence(where):
    try:
        sql = to_sql(where, FIELDS)
    except MmbmError:
        return
    assert to_sql(sql, FIELDS) == sql  # what is passed on is of this language too


def test_a_condition_filters_what_is_found(index):
    everything = index.search({"en": "a red cross"}, 1000)
    for where, right in {
        "size > 5": lambda c: c["size"] > 5,
        "shape in ('square', 'cross') and not size <= 3": lambda c: (
            c["shape"] in ("square", "cross") and c["size"] > 3
        ),
        "shape like 'c%' or size = 2": lambda c: c["shape"].startswith("c") or c["size"] == 2,
    }.items():
        found = {one.row for one in index.search({"en": "a red cross"}, 1000, where=where)}
        assert found == {one.row for one in everything if right(one.cells)}
        assert found
