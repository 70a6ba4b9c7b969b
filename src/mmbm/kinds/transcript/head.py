"""CTC head for speech recognition."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.transcript.column import BLANK
from mmbm.kinds.transcript.spec import TranscriptTarget
from mmbm.layers.batch import Context, Field, Tokens
from mmbm.layers.target import Parts


class TranscriptHead(nn.Module):
    """Audio tokens [B, T, D] -> probabilities [B, T, V]; CTC (Graves et al. 2006).

    It is a complete target: it reads the output of its modality's encoder, without fusion or
    ensemble. Where a row has no token its probabilities are zero, which marks the padding.
    """

    def __init__(self, spec: TranscriptTarget, column: Column, parts: Parts):
        super().__init__()
        self.input, self.weight = spec.input, spec.weight
        self.output = nn.Linear(parts.width, len(column.state["values"]))

    def heard(self, context: Context) -> Tokens:
        """The tokens of its audio input; none where the audio is absent."""
        x, keep = context.inputs[self.input]
        return Tokens(x, keep & context.present[self.input][:, None])

    def loss(self, context: Context, target: Field, unimodal_loss_weight: float) -> Tensor:
        """Mean over the rows that have audio and text, of the loss per token of the text. Scalar.

        A text longer than its audio's tokens allow has no loss; `prepare` reports those rows.
        """
        x, keep = self.heard(context)
        has = target.present & context.present[self.input]  # [B]
        log_p = self.output(x).float().log_softmax(-1).transpose(0, 1)  # [T, B, V]
        lengths = torch.where(has, target.lengths, 0)
        loss = F.ctc_loss(
            log_p, target.values.long(), keep.sum(1), lengths,
            blank=BLANK, reduction="none", zero_infinity=True,
        )  # fmt: skip
        loss = torch.where(has, loss / target.lengths, 0.0)
        return self.weight * loss.sum() / has.sum().clamp(min=1)

    def loss_mask(self, target: Field, batch: dict[str, Field]) -> Tensor:
        """The rows that the loss averages [B]."""
        return target.present & batch[self.input].present

    def forward(self, context: Context) -> Tensor:
        x, keep = self.heard(context)
        return self.output(x).float().softmax(-1) * keep[..., None]  # [B, T, V]
