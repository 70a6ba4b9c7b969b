"""Fixed representations: what classical members read of a row."""

import numpy as np
import pytest
import tiny
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.layers.batch import Field
from mmbm.layers.representation import FARTHEST
from mmbm.nn.representations import build


@pytest.fixture(scope="module")
def prepared(table, tmp_path_factory):
    made = {**tiny.config(table), "members": ["linear"]}
    made["inputs"]["remark"] |= {"tokenizer": "word"}
    config = configfile.parse(made)
    data = prepare(config, tmp_path_factory.mktemp("prepared"))
    return config, data


@pytest.fixture(scope="module")
def fitted(prepared):
    config, data = prepared
    parts = build(config, data.columns)
    for part in parts.values():
        part.fit((b, there(b)) for b in batches(config, data, data.splits["train"].rows))
    return parts


def batches(config, data, rows, size: int = 16):
    stores = data.splits["train"].stores
    for start in range(0, len(rows), size):
        gathered = {n: stores[n].gather(rows[start : start + size]) for n in config.inputs}
        yield {n: Field(*(torch.from_numpy(a) for a in x)) for n, x in gathered.items()}


def there(batch):
    return torch.ones(len(next(iter(batch.values())).present), dtype=torch.bool)


def test_every_modality_has_one(fitted, prepared):
    names = [f"{name}.features" for name in prepared[0].modalities()]
    assert list(fitted) == [*names, "table.bins"]


def test_bins_of_a_number_are_filled_up_to_it(fitted, prepared):
    config, data = prepared
    (batch,) = batches(config, data, data.splits["train"].rows, 1000)
    edges = data.columns["speed"].state["edges"]
    raw = fitted["table.bins"].raw(batch)
    speeds = batch["speed"].values
    assert raw.shape == (len(speeds), len(edges) - 1)
    widths = torch.tensor(np.diff(edges))
    assert torch.allclose(edges[0] + (raw * widths).sum(1), speeds.clamp(edges[0], edges[-1]))


def test_a_row_has_the_same_alone_and_in_any_batch(fitted, prepared):
    config, data = prepared
    rows = data.splits["test"].rows
    (together,) = batches(config, data, rows, len(rows))
    for part in fitted.values():
        many = part(together)
        for i, batch in enumerate(batches(config, data, rows, 1)):
            assert torch.allclose(part(batch)[0], many[i], atol=2e-4)


def test_features_are_finite_and_bounded_also_of_absent_cells(fitted, prepared):
    config, data = prepared
    for batch in batches(config, data, data.splits["train"].rows):
        absent = {
            n: Field(torch.zeros_like(f.values), torch.ones_like(f.lengths), f.present & False)
            for n, f in batch.items()
        }
        for part in fitted.values():
            for given in (batch, absent):
                x = part(given)
                assert torch.isfinite(x).all()
                assert x.abs().max() <= FARTHEST


def test_dense_features_have_mean_zero_over_the_rows_they_were_fitted_on(fitted, prepared):
    config, data = prepared
    rows = data.splits["train"].rows
    for name in ("photo.features", "speech.features", "table.features"):
        x = torch.cat([fitted[name](b) for b in batches(config, data, rows)])
        assert x.mean(0).abs().max() < 0.05
        assert x.std(0).max() < 1.2


def test_tf_idf_is_that_of_scikit_learn(fitted, prepared):
    config, data = prepared
    rows = data.splits["train"].rows
    cells = list(data.table.cells("remark", rows))
    texts = [" ".join(data.columns["remark"]._opened.encode(c).tokens[1:]) for c in cells]
    options = {"ngram_range": (1, 2), "token_pattern": r"\S+"}
    counts = CountVectorizer(binary=True, **options)
    often = np.asarray(counts.fit_transform(texts).sum(0))[0] > 1
    terms = [t for t, n in zip(counts.get_feature_names_out(), often) if n or " " not in t]
    vectorizer = TfidfVectorizer(sublinear_tf=True, vocabulary=terms, **options)
    theirs = vectorizer.fit_transform(texts).toarray()
    ours = torch.cat([fitted["remark.features"](b) for b in batches(config, data, rows)]).numpy()
    # The features come in another order: the products of rows don't.
    assert ours @ ours.T == pytest.approx(theirs @ theirs.T, abs=1e-4)
