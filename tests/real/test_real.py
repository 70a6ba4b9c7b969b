"""What is promised on real data. CI trains two of the sets; `make results` all of them."""

import pytest
import results
import sets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sets.DATA.is_dir(), reason="needs the data sets in ../shared/data"),
]


@pytest.mark.parametrize("name", ["mnist", "avmnist_pairs"])
def test_a_promised_score_is_reached(name, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RUNS", tmp_path)
    task = sets.TASKS[name]
    result = results.measure(name, task)
    assert result["scores"][0] >= task.promise
    if result["best"]:
        assert result["gain"][2] >= 0, "fusion is significantly below a single modality"
