"""What is promised on real data. CI trains two of the sets; `make results` all of them."""

import matching
import pytest
import results
import sets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),  # a machine that is shared
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


def test_names_in_two_languages_find_emoji_and_one_another(tmp_path, monkeypatch):
    monkeypatch.setattr(matching, "RUNS", tmp_path)
    scores = matching.train(seed=1).metrics["test"]["targets"]["contrastive"]
    for pair in ("text->image", "text_zh->image", "text->text_zh", "text_zh->text"):
        told = scores["pairs"][pair]
        assert told["recall@1"] > 15 * told["chance"]["recall@1"], pair
        assert told["recall@10"] > 8 * told["chance"]["recall@10"], pair
