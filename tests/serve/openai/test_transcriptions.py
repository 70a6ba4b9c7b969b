"""Transcriptions, asked by OpenAI's own client."""

from pathlib import Path

import openai
import pytest
import spoken


@pytest.fixture
def clip(speech, tmp_path) -> Path:
    """A sound in which the model hears several words."""
    import numpy as np
    import soundfile

    path = tmp_path / "clip.wav"
    wave = spoken.say("ab ca b", np.random.default_rng(3))
    soundfile.write(path, wave, spoken.RATE)
    return path


def test_a_file_is_transcribed_as_the_bundle_does(client, speech, clip):
    (row,) = speech.predict({"speech": clip})
    assert len(row["words.times"]) > 1
    options = {"model": "speech", "file": clip, "language": "en", "temperature": 0}
    listen = client.audio.transcriptions.create
    said = listen(**options)
    assert said.text == row["words"]
    assert (said.usage.type, said.usage.seconds) == ("duration", pytest.approx(0.56))
    assert listen(**options, response_format="text") == row["words"] + "\n"
    full = listen(
        **options, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert [word.model_dump() for word in full.words] == row["words.times"]
    assert (full.text, full.duration) == (row["words"], pytest.approx(0.56))
    assert "".join(segment.text for segment in full.segments) == row["words"]
    events = list(listen(**options, stream=True))
    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == row["words"]
    first = row["words.times"][0]["start"]
    srt = listen(**options, response_format="srt").splitlines()
    assert srt[0] == "1"
    assert srt[1].startswith(f"00:00:00,{round(first * 1000):03} --> 00:00:00,")
    assert srt[2] == row["words"]
    vtt = listen(**options, response_format="vtt").splitlines()
    assert vtt[0] == "WEBVTT"
    assert vtt[2].startswith(f"00:00:00.{round(first * 1000):03} --> 00:00:00.")


def test_what_is_no_transcription_is_refused(client, clip):
    for options, words in [
        ({"model": "one"}, "no target of kind transcript"),
        ({"file": b"no sound"}, "speech: "),
        ({"prompt": "ab"}, "prompt: is not supported"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "srt", "stream": True}, "a stream is json"),
        ({"extra_body": {"target": "label"}}, "target: one of words"),
    ]:
        with pytest.raises(openai.BadRequestError, match=words):
            client.audio.transcriptions.create(**{"model": "speech", "file": clip, **options})


def test_subtitles_end_at_pauses_and_keep_the_text_as_it_is_written():
    from mmbm.serve.openai.transcriptions import cues, subtitles

    words = [("你", 0.0, 0.2), ("好", 0.2, 0.4), ("my", 1.5, 1.7), ("friend", 3661.5, 3662.0)]
    times = [{"word": word, "start": start, "end": end} for word, start, end in words]
    said = cues("你好 my friend", times)
    assert [cue.text for cue in said] == ["你好", "my", "friend"]
    assert subtitles(said, "srt").endswith("3\n01:01:01,500 --> 01:01:02,000\nfriend\n")
