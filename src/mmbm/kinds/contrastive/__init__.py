"""Columns embedded in one space, for retrieval (CLIP-style), as target."""

from mmbm.registry import Kind

KIND = Kind(
    target="mmbm.kinds.contrastive.spec:ContrastiveTarget",
    head="mmbm.kinds.contrastive.head:ContrastiveHead",
    answer="mmbm.kinds.contrastive.answer:ContrastiveAnswer",
    output_means="embeddings of length 1, one for each of `values`, in order; zeros where it is "
    "absent",
)
