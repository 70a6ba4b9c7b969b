from samples import Cells

from mmbm.kinds.transcript.spec import TranscriptTarget

TEXTS = ["turn on the light", "请打开客厅的灯", "turn it off"]
PIECES = TranscriptTarget(
    input="speech", tokenizer="bpe", vocab_size=40, beam_size=4, ngram_order=2
)
COLUMNS = {
    "transcript target": Cells(TranscriptTarget(input="speech"), TEXTS),
    "transcript target, pieces": Cells(PIECES, TEXTS),
}
