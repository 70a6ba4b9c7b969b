"""How labels in one string are recognized."""

import json
import random

import numpy as np
import pytest
from written import TAGS, as_input, as_target, column

R = random.Random(4)


@pytest.mark.parametrize(
    ("write", "options"),
    [
        (repr, {"format": "list"}),
        (json.dumps, {"format": "list"}),
        (lambda tags: str(np.array(tags)), {"format": "list"}),
        (lambda tags: "{" + ",".join(tags) + "}", {"format": "list"}),
        (", ".join, {"separator": ","}),
        (" / ".join, {"separator": "/"}),
        ("、".join, {"separator": "、"}),
        (" & ".join, {"separator": "&"}),
        ("\n".join, {"separator": "\n"}),
        ("; ".join, {}),
    ],
)
def test_labels_in_one_string_are_labels(write, options):
    cells = column(lambda i: write(R.sample(TAGS, R.randint(1, 3))))

    for found in (as_input(cells), as_target(cells)):
        assert (found.kind, found.options) == ("labels", options)
        assert found.why.startswith("4 labels")


@pytest.mark.parametrize(
    "make",
    [
        lambda i: R.choice(["Paris, France", "Rome, Italy", "Oslo, Norway"]),
        lambda i: f"{R.choice(['Smith', 'Lee'])}, {R.choice(['John', 'Ann'])}",
        lambda i: f"{R.randint(1, 3)}/{R.randint(2, 4)}",
    ],
)
def test_a_comma_inside_a_single_value_separates_nothing(make):
    assert as_input(column(make)).kind != "labels"
