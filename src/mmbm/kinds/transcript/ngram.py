"""An n-gram language model over tokens with Witten-Bell interpolation (Witten & Bell 1991)."""

import math
from functools import lru_cache

from mmbm.kinds.transcript.column import BLANK


class NGram:
    """P(w | h) = (c(h w) + t(h) P(w | h')) / (c(h) + t(h)), where h' is h without its oldest token
    and t(h) counts the distinct tokens after h; below the unigrams it is uniform.

    counts: from `columns.transcript.ngrams`.
    """

    def __init__(self, counts: dict[str, dict[str, int]], order: int, vocab_size: int):
        self.counts, self.order, self.vocab_size = counts, order, vocab_size
        self.totals = {context: sum(each.values()) for context, each in counts.items()}
        self.log_p = lru_cache(maxsize=200_000)(self._log_p)

    def score(self, token: int, prefix: tuple[int, ...]) -> float:
        """Natural log-probability of the token after the prefix; `BLANK` is the end."""
        padded = (BLANK,) * (self.order - 1) + prefix
        return self.log_p(token, padded[len(padded) - self.order + 1 :])

    def _log_p(self, token: int, context: tuple[int, ...]) -> float:
        p = 1.0 / self.vocab_size
        for length in range(len(context) + 1):
            key = " ".join(map(str, context[len(context) - length :]))
            followers = self.counts.get(key)
            if followers is None:
                break  # a longer context wasn't seen either
            different = len(followers)
            p = (followers.get(str(token), 0) + different * p) / (self.totals[key] + different)
        return math.log(p)
