"""How wide the vectors of tokens are."""

from battery import column

from mmbm.kinds.text.frontend import TextFrontend
from mmbm.kinds.text.spec import TextSpec


def test_a_text_frontend_is_as_wide_as_its_encoder_is_large():
    sizes = {}
    for size in ("tiny", "small", "base"):
        spec = TextSpec(encoder={"kind": "rnn", "size": size})
        sizes[size] = TextFrontend(spec, column({"vocab_size": 300})).features
    assert sizes["tiny"] < sizes["small"] < sizes["base"]


def test_an_encoder_of_the_users_own_may_have_an_option_called_size():
    spec = TextSpec(encoder={"kind": "mine.parts:Reader", "size": 12})
    assert TextFrontend(spec, column({"vocab_size": 300})).features == 128
