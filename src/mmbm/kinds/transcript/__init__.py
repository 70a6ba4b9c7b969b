"""Automatic speech recognition (CTC), as target."""

from mmbm.registry import Kind

KIND = Kind(
    target="mmbm.kinds.transcript.spec:TranscriptTarget",
    column="mmbm.kinds.transcript.column:TranscriptColumn",
    head="mmbm.kinds.transcript.head:TranscriptHead",
    answer="mmbm.kinds.transcript.answer:TranscriptAnswer",
    infer_target="mmbm.kinds.transcript.infer:infer_target",
    prompt="mmbm.kinds.transcript.prompt:TranscriptPrompt",
)
