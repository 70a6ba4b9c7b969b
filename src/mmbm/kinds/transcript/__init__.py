"""Automatic speech recognition (CTC), as target."""

from mmbm.registry import Kind

KIND = Kind(
    target="mmbm.kinds.transcript.spec:TranscriptTarget",
    column="mmbm.kinds.transcript.column:TranscriptColumn",
    head="mmbm.kinds.transcript.head:TranscriptHead",
    answer="mmbm.kinds.transcript.answer:TranscriptAnswer",
    check_target="mmbm.kinds.transcript.check:check",
    output_means="probability of each of `values`, in order, at every place of the sound; the "
    "first is CTC's blank, and where all are zero there is no sound any more",
    infer_target="mmbm.kinds.transcript.infer:infer_target",
    prompt="mmbm.kinds.transcript.prompt:TranscriptPrompt",
)
