"""How categories and truth values are recognized in their spellings."""

from guesses import NOISE, RANDOM, column, infer_one


def test_truth_values_in_several_spellings_are_two_values_and_said():
    words = ["true", "TRUE", "1", "yes", "no", "0", "False"]
    inferred = infer_one(NOISE, target=column(lambda i: words[RANDOM.randrange(7)]))

    assert inferred.targets["label"].why.startswith("2 classes")
    assert "are truth values in several spellings, and are read as" in inferred.warnings[0]


def test_truth_values_beside_another_word_are_named_with_the_cure():
    inferred = infer_one(column(lambda i: ("true", "false", "yes", "unsure")[i % 4]))

    assert "stay different values beside unsure" in inferred.warnings[0]
    assert "missing: [unsure]" in inferred.warnings[0]
    assert infer_one(column(lambda i: ("f", "m", "n")[i % 3])).warnings == []
