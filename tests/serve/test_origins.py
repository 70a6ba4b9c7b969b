"""A host and an origin are this server or refused."""

from hypothesis import given
from hypothesis import strategies as st

from mmbm.serve.origins import ORIGIN, Origins, address


@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_a_host_and_an_origin_are_this_server_or_refused(host, origin):
    headers = {b"host": host.encode(errors="replace")}
    if origin is not None:
        headers[b"origin"] = origin.encode(errors="replace")
    refusal = Origins().refusal("POST", headers)
    if refusal is None:
        here = address(headers[b"host"].decode("latin-1"))
        assert here is not None
        assert Origins().knows(here.host)
        assert origin is None or ORIGIN.fullmatch(origin.lower())
