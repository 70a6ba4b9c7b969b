"""Words that look like missing, and spellings of one value."""

from written import as_input, as_target, column

from mmbm.config import Config
from mmbm.kinds.column import build


def test_words_of_programs_for_nothing_are_named_and_absent():
    found = as_target(column(lambda i: ["nan", "cat", "dog", "NULL"][i % 4]))

    assert found.options == {"missing": ["nan", "NULL"]}
    assert found.why == "2 classes"
    assert found.notes == (
        "x: nan and NULL look like missing: 60 rows, so missing: [nan, 'NULL']; missing: [] keeps "
        "them as values",
    )


def test_na_may_be_namibia():
    found = as_input(column(lambda i: ["NA", "DE", "FR"][i % 3]))

    assert "missing" not in found.options
    assert "If NA should be absent: missing: [NA]" in found.notes[0]


def test_a_missing_word_is_absent_in_training_and_in_answers():
    for kind, cells in (("category", ["a", "b", "nan"]), ("text", ["a b", "c d", "nan"])):
        spec = Config.model_validate(
            {
                "data": {"table": "t.csv"},
                "inputs": {"x": {"kind": kind, "missing": ["nan"]}},
                "targets": {"y": "category"},
            }
        ).inputs["x"]
        reader = build(spec)
        reader.fit(cells * 3)

        assert reader.decode("nan") is None
        assert reader.decode(cells[0]) is not None
        assert "nan" not in reader.state.get("values", [])


def test_spellings_of_one_value_are_named():
    found = as_target(column(lambda i: ["Cat", "cat", "Dog", "dog "][i % 4]))

    assert found.why == "4 classes"
    assert "Cat (30 rows) and cat (30 rows)" in found.notes[0]
    assert "Dog (30 rows) and dog (30 rows)" in found.notes[0]
    assert as_target(column(lambda i: [1, -1][i % 2])).notes == ()
