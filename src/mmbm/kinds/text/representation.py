"""TF-IDF (Salton & Buckley 1988) of words and pairs of words, or of n-grams, as tensor operations
on token ids."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmbm.kinds.column import Column
from mmbm.kinds.text.spec import TextSpec
from mmbm.layers.batch import Field
from mmbm.layers.blocks import valid
from mmbm.layers.representation import Representation

PAIRS = 1 << 17
"""Buckets that pairs of neighboring tokens are hashed into (Weinberger et al. 2009)."""
MOST = 20_000
"""Maximum number of terms, those in most texts first."""
SPECIAL, WORDS = 2, 3
"""Smaller ids are no terms: padding and start; for words, rare ones too."""


class TextRepresentation(Representation):
    """Fields of one text column -> TF-IDF [B, F] of unit length: sublinear counts, times inverse
    document frequency."""

    term: Tensor  # [vocab_size + PAIRS] the feature of each term; F for those that are not kept
    idf: Tensor  # [F]
    sparse = True

    def __init__(self, column: str, spec: TextSpec, fitted: Column):
        super().__init__(term=torch.int64, idf=torch.float32)
        self.column = column
        self.vocab_size = int(fitted.state["vocab_size"])
        special = WORDS if spec.tokenizer == "word" else SPECIAL
        self.ordered = spec.tokenizer != "ngram"
        self.special = 0 if "pretrained" in fitted.state else special

    @property
    def fitted(self) -> bool:
        return bool(self.term.numel())

    def terms(self, field: Field) -> tuple[Tensor, Tensor]:
        """Ids of single tokens and, where order matters, of pairs [B, 2T], and a mask of those
        present."""
        ids = field.values.long()
        keep = valid(field.lengths, ids.shape[1]) & (ids >= self.special)
        if not self.ordered:
            return ids, keep
        first, second = ids[:, :-1], ids[:, 1:]
        pairs = self.vocab_size + (first * 1_000_003 + second * 7_919) % PAIRS
        both = keep[:, :-1] & keep[:, 1:]
        return torch.cat([ids, pairs], 1), torch.cat([keep, both], 1)

    def forward(self, batch: dict[str, Field]) -> Tensor:
        terms, keep = self.terms(batch[self.column])
        size = self.idf.shape[0]
        place = torch.where(keep, self.term[terms], size)
        counts = torch.zeros(terms.shape[0], size + 1, device=place.device)
        counts = counts.scatter_add(1, place, torch.ones_like(place, dtype=counts.dtype))[:, :size]
        weight = (1 + counts.clamp(min=1).log()) * (counts > 0) * self.idf
        return weight / weight.square().sum(1, keepdim=True).sqrt().clamp(min=1e-3)

    def fit(self, batches: Iterator[tuple[dict[str, Field], Tensor]]) -> None:
        """Terms and how many texts have each; pairs that only one text has are left out."""
        found: Counter[int] = Counter()
        texts = 0
        for batch, present in batches:
            terms, keep = self.terms(batch[self.column])
            for row in torch.nonzero(present)[:, 0].tolist():
                found.update(np.unique(terms[row][keep[row]].numpy()).tolist())
                texts += 1
        kept = [t for t, n in found.most_common() if n > 1 or t < self.vocab_size][:MOST]
        term = np.full(self.vocab_size + PAIRS, len(kept))
        term[kept] = np.arange(len(kept))
        frequency = np.array([found[t] for t in kept], float)
        self.fill(term=term, idf=np.log((1 + texts) / (1 + frequency)) + 1)
