"""`train`: epochs, steps, precision and device."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from mmbm.specs.base import Fraction, Positive, Spec, component


class MixupSpec(Spec):
    """Mixup: rows of a batch are blended in pairs, and so are their targets' losses. It augments
    small data, and the model is less confident away from the training rows."""

    kind: Literal["mixup", "cutmix", "manifold"] = "mixup"
    """mixup: a weighted mean of two images (Zhang et al. 2018). cutmix: a rectangle of one is
    pasted into the other (Yun et al. 2019). manifold: the encoders' tokens of all inputs are
    blended (manifold mixup, Verma et al. 2019), so it works for any kind of input."""
    alpha: Positive = 0.2
    """Mixing ratio: the share of one row is drawn from Beta(alpha, alpha)."""


class SelfTrainingSpec(Spec):
    """Self-training (pseudo-labels): a second round adds rows whose target cell is empty, with the
    class that the first round predicts confidently (Lee 2013; Xie et al. 2020)."""

    threshold: Fraction = 0.9
    """Minimum probability of an accepted pseudo-label, after calibration on the valid split."""


class TrainSpec(Spec):
    preset: Literal["quick", "balanced", "best"] = "balanced"
    """Preset of the search effort. quick: classical members alone, in about a minute for some
    hundreds of rows; of more than 5,000 rows, or where only a network answers, a quarter of the
    epochs. balanced: a network too, which stops after its first fold if it doesn't help. best:
    a network for each of five folds, up to 5,000 rows."""
    minutes: Annotated[float, Field(ge=1)] | None = None
    """Time budget of the run, from its start or its resumption; unbounded if not given. A short
    budget reads fewer rows, compares fewer members and trains fewer steps, and each cut is
    reported; with a long budget, best is the preset of a small table."""
    epochs: PositiveInt = 20
    batch_size: PositiveInt = 64
    """Rows per step, over all processes."""
    micro_batch_size: PositiveInt | None = None
    """Rows per forward pass, where a batch doesn't fit into memory; all if not given. The step is
    the same: a contrastive target still compares all rows of the batch (gradient caching, Gao et
    al. 2021), for one more forward pass. Only the encoder `cnn` then normalizes per micro-batch."""
    lr: Positive = 2e-3
    """Highest learning rate of AdamW (Loshchilov & Hutter 2019)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup_ratio: Fraction = 0.1
    """Fraction of all steps in which the learning rate rises; then it decays as half a cosine."""
    max_grad_norm: Positive = 1.0
    """Maximum norm of the gradient (gradient clipping)."""
    patience: PositiveInt | None = None
    """Early stopping: stop after this many epochs without a better score; never if not given."""
    monitor: str | None = None
    """`target.metric` that selects the best epoch; else the first target's main metric."""
    mixup: Annotated[MixupSpec, BeforeValidator(component)] | None = None
    """Disabled if not given."""
    self_training: SelfTrainingSpec | None = None
    """For targets of kind category. Disabled if not given."""
    unimodal_loss_weight: Annotated[float, Field(ge=0)] = 0.3
    """Weight of the auxiliary loss of each modality's own small head."""
    average_checkpoints: Annotated[int, Field(ge=1)] = 3
    """Checkpoint averaging: the mean of the weights of this many last epochs, or of this many best
    ones if they are clearly better on the valid split. 1: no averaging."""
    seed: int = 7
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 on a GPU that computes it natively, else float32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: PositiveInt | None = None
    """CPU threads of torch; all cores if not given."""
    checkpoint_seconds: Positive = 60.0
    """Time between checkpoints inside an epoch; there is also one after every epoch."""
    log_steps: PositiveInt = 20
    golden_rows: Annotated[int, Field(ge=0)] = 8
    """Rows kept in the bundle with their answers, to verify it later. 0: keep no rows."""
