"""Retrieval with a contrastive target: similarities of cells, and ranking metrics."""

from itertools import combinations, permutations
from typing import Any, ClassVar

import numpy as np

from mmbm.kinds.answer import Metric
from mmbm.kinds.column import Arrays
from mmbm.kinds.contrastive.spec import ContrastiveTarget

DEPTHS = (1, 5, 10)
QUICK = 4096
"""Queries per pair that are ranked after an epoch: ranking all takes time quadratic in the rows.
All cells are candidates."""
QUESTIONS, CANDIDATES = 1024, 8192
"""Similarities that are in memory together, so that memory isn't quadratic in the rows."""


class ContrastiveAnswer:
    """Output [N, M, D]: embeddings of length 1, zeros where a cell is absent. Metrics are computed
    on ranks [N, P], one for each ordered pair of columns: see `ranks`."""

    main = Metric("recall@1", True)
    metrics = (
        main,
        *(Metric(f"recall@{k}", True) for k in DEPTHS[1:]),
        Metric("median_rank", False),
    )

    also: ClassVar = {}

    def __init__(
        self, spec: ContrastiveTarget, column: None = None, inputs: Any = None, quick: bool = False
    ):
        """quick: rank at most `QUICK` queries per pair, drawn at random."""
        self.columns, self.most = spec.columns, QUICK if quick else None
        self.pairs = list(permutations(range(len(spec.columns)), 2))

    def rows(self, output: np.ndarray) -> list[dict[str, Any]]:
        """`value` is the mean cosine similarity of the row's own cells, None where it has fewer
        than two; `embeddings` those of its cells, None where one is absent."""
        return [self._row(z) for z in output]

    def _row(self, z: np.ndarray) -> dict[str, Any]:  # [M, D]
        there = [i for i in range(len(z)) if z[i].any()]
        alike = [float(z[i] @ z[j]) for i, j in combinations(there, 2)]
        embeddings = {
            name: z[i].tolist() if i in there else None for i, name in enumerate(self.columns)
        }
        return {"value": float(np.mean(alike)) if alike else None, "embeddings": embeddings}

    def read(self, output: np.ndarray) -> np.ndarray:
        return output

    def decided(self, output: np.ndarray) -> np.ndarray:
        return output

    def truth(self, target: Arrays) -> tuple[np.ndarray, np.ndarray]:
        return target.values, target.present  # [N, M] keys, 0 where a cell is absent

    # ── measuring ────────────────────────────────────────────────────────────────────────────

    def ranks(self, output: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """The rank of the first relevant cell for each row's query, of each ordered pair of columns
        [N, P]; nan without a query or a relevant cell. The candidates are the cells of all rows;
        rows that share the cell of one of the two columns are as relevant as the row's own, and of
        equally similar candidates a wrong one ranks first."""
        return np.stack([_ranks(output, truth, i, j, self.most) for i, j in self.pairs], 1)

    def main_score(self, output: np.ndarray, truth: np.ndarray) -> float:
        """Recall at 1, mean over the ordered pairs; `output` are ranks."""
        return mean_of(recall(output, 1))

    def score(self, output: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
        """Means over the ordered pairs, and under `pairs` for each of them; `chance` is the
        expected value of a random order of the cells."""
        luck = np.stack([_chance(truth, i, j) for i, j in self.pairs], 1)  # [N, P, depths]
        luck[np.isnan(output)] = np.nan
        pairs = {}
        for p, (i, j) in enumerate(self.pairs):
            known = output[~np.isnan(output[:, p]), p]
            if len(known):
                pairs[f"{self.columns[i]}->{self.columns[j]}"] = {
                    **{f"recall@{k}": float((known <= k).mean()) for k in DEPTHS},
                    "median_rank": float(np.median(known)),
                    "questions": len(known),
                    "candidates": int((truth[:, j] > 0).sum()),
                    "chance": {
                        f"recall@{k}": float(np.nanmean(luck[:, p, d]))
                        for d, k in enumerate(DEPTHS)
                    },
                }
        names = [metric.name for metric in self.metrics]
        whole = {name: float(np.mean([one[name] for one in pairs.values()])) for name in names}
        chance = {
            name: float(np.mean([one["chance"][name] for one in pairs.values()]))
            for name in names[:-1]
        }
        return {**whole, "chance": chance, "pairs": pairs}

    def attribution(self, output: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Mean similarity of the row's cells [N]; 0 where fewer than two are left."""
        return np.array([row["value"] or 0.0 for row in self.rows(output)])


def recall(ranks: np.ndarray, depth: int) -> np.ndarray:
    """Recall of each ordered pair [P]: part of the queries with a relevant cell among the first."""
    asked = ~np.isnan(ranks)
    with np.errstate(invalid="ignore"):
        return ((ranks <= depth) & asked).sum(0) / asked.sum(0)


def mean_of(each: np.ndarray) -> float:
    known = each[~np.isnan(each)]
    return float(known.mean()) if len(known) else float("nan")


def _ranks(z: np.ndarray, keys: np.ndarray, i: int, j: int, most: int | None = None) -> np.ndarray:
    """Rank of the first relevant cell of column j for the query in column i [N], block by block."""
    result = np.full(len(z), np.nan)
    there = np.flatnonzero(keys[:, j] > 0)
    asked = np.flatnonzero(keys[:, i] > 0)
    if most is not None and len(asked) > most:
        asked = np.sort(np.random.default_rng(0).choice(asked, most, replace=False))
    parts = [there[at : at + CANDIDATES] for at in range(0, len(there), CANDIDATES)]
    for at in range(0, len(asked), QUESTIONS):
        some = asked[at : at + QUESTIONS]
        best = np.full(len(some), -np.inf)
        for part in parts:
            near, right = _compare(z, keys, i, j, some, part)
            best = np.maximum(best, np.where(right, near, -np.inf).max(1))
        before = np.zeros(len(some))
        for part in parts:
            near, right = _compare(z, keys, i, j, some, part)
            before += (~right & (near >= best[:, None])).sum(1)
        result[some] = np.where(best > -np.inf, 1 + before, np.nan)
    return result


def _compare(
    z: np.ndarray, keys: np.ndarray, i: int, j: int, some: np.ndarray, part: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities [queries, candidates], and which of them are relevant."""
    right = keys[some, None, i] == keys[part, i]
    right |= keys[some, None, j] == keys[part, j]
    return z[some, i] @ z[part, j].T, right


def _chance(keys: np.ndarray, i: int, j: int) -> np.ndarray:
    """Recall of a random order for each query [N, depths]: p of n cells are relevant."""
    there = keys[:, j] > 0
    same_i, same_j, both = (_alike(columns, there) for columns in ([i], [j], [i, j]))
    right = same_i(keys) + np.where(there, same_j(keys), 0) - np.where(there, both(keys), 0)
    n = int(there.sum())
    luck, missed = [], np.ones(len(keys))
    for t in range(max(DEPTHS)):
        missed = missed * np.clip((n - right - t) / max(n - t, 1), 0, 1)
        if t + 1 in DEPTHS:
            luck.append(1 - missed)
    return np.stack(luck, 1)


def _alike(columns: list[int], there: np.ndarray):
    """How many rows of `there` agree with each row in these columns [N]."""

    def count(keys: np.ndarray) -> np.ndarray:
        inverse = np.unique(keys[:, columns], axis=0, return_inverse=True)[1].ravel()
        return np.bincount(inverse[there], minlength=inverse.max(initial=0) + 1)[inverse]

    return count
