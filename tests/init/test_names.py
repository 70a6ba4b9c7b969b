"""Names of columns and running numbers: who was recorded, dates, and what identifies a row."""

import pytest
from written import LABEL, NOISE, ROWS, R, as_input, column

from mmbm.data.table import open_table
from mmbm.init import infer, report


@pytest.mark.parametrize(
    "name",
    ["patient_age", "customer_segment", "session_minutes", "driverRating", "n_users", "is_customer",
     "author age", "row_height", "frame_rate", "index_value", "sessions_per_user"],
)  # fmt: skip
def test_a_name_with_a_person_in_it_does_not_drop_a_column(name: str):
    assert as_input(column(lambda i: R.randint(1, 40)), name).kind == "number"
    assert as_input(column(lambda i: R.choice(["a", "b", "c"])), name).kind == "category"


@pytest.mark.parametrize(
    "name", ["patient", "patient_id", "PatientID", "speaker", "user id", "driver_no"]
)
def test_who_was_recorded_is_left_out_and_suggested_as_a_group(name: str):
    for cells in (column(lambda i: f"P{i % 40:03d}"), column(lambda i: R.randint(1, 40))):
        found = as_input(cells, name)

        assert (found.kind, found.group) == (None, True)


def test_a_sorted_column_is_no_identifier_but_a_running_number_is():
    assert as_input(sorted(R.sample(range(1000, 9000), ROWS))).kind == "number"
    assert "identifier" in as_input(list(range(7, 7 + 3 * ROWS, 3))).why
    assert "identifier" in as_input(R.sample(range(ROWS), ROWS)).why
    assert "identifier" in as_input(sorted(R.sample(range(9000), ROWS)), "order_id").why


def test_dates_and_times_are_named_as_such():
    found = as_input(column(lambda i: f"{i % 28 + 1:02d}/11/2023"))
    assert (found.kind, found.options) == ("date", {"day_first": True})
    assert as_input(column(lambda i: f"March {i % 28 + 1}, 2024")).kind == "date"
    assert "times of day" in as_input(column(lambda i: f"{i % 24:02d}:{i % 60:02d}")).why


def test_what_was_left_out_is_printed_with_the_reason():
    table = open_table({"patient": column(lambda i: f"P{i % 40}"), "noise": NOISE, "label": LABEL})

    assert report(infer(table, ["label"])) == [
        "Left out: patient: names who or what was recorded (40 values)."
    ]
