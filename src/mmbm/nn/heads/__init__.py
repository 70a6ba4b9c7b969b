"""Output layer and loss, one file per kind of answer.

`head(x)` makes raw outputs from a pooled vector [B, D]; `head.loss(raw, target)` is a loss per row
[B]; `head.answer(raw)` is what the user asked for (probabilities [B, C], numbers [B, 1]);
`head.prior` [C] is the answer when nothing is known of a row. `nn/mix.py` makes a target of them.

A head that doesn't fuse (`transcript`, `contrastive`) is a whole target: `head(context)` is its
answer, `head.loss(context, target, unimodal_loss_weight)` the loss of a batch,
`head.taught(target, batch)` [B] the rows that this is a mean of.
"""
