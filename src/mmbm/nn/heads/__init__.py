"""Output layer and loss, one file per kind of answer.

`head(x)` makes raw outputs from a pooled vector [B, D]; `head.loss(raw, target)` is a loss per row
[B]; `head.answer(raw)` is what the user asked for (probabilities [B, C], numbers [B, 1]);
`head.prior` [C] is the answer when nothing is known of a row.
"""
