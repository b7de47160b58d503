"""Every other endpoint with the Python SDK, sync and async: what goes through, and that its objects are found again."""

import io
import json

import openai
import pytest

from fake_answers import EMBEDDING, IMAGE, SPEECH, respond


def test_embeddings_in_the_sdks_default_form(sdk, fake, gateway):
    """The SDK asks for base64 by itself and decodes it."""
    script = fake.script(respond)
    answer = sdk.done(sdk.client.embeddings.create(model=script.model, input=["a", "b"]))
    assert script.call().json()["encoding_format"] == "base64"
    assert [d.embedding for d in answer.data] == [EMBEDDING, EMBEDDING]
    assert gateway.wait_record(answer._request_id)["input_tokens"] == 10


def test_embeddings_as_floats(sdk):
    answer = sdk.done(sdk.client.embeddings.create(model="fast", input="a", encoding_format="float"))
    assert answer.data[0].embedding == EMBEDDING


def test_moderations(sdk):
    answer = sdk.done(sdk.client.moderations.create(model="fast", input=["a", "b"]))
    assert len(answer.results) == 2 and not answer.results[0].flagged


def test_moderations_without_a_model(sdk):
    """The model may be left out; the upstream has a default."""
    assert sdk.done(sdk.client.moderations.create(input="a")).results


def test_models(sdk):
    names = [m.id for m in sdk.items(sdk.client.models.list())]
    assert "fast" in names
    assert "*" not in names, "a pattern is no model that anyone can call"


def test_model_retrieved(sdk):
    assert sdk.done(sdk.client.models.retrieve("fast")).id == "fast"


def test_model_with_a_slash_retrieved(sdk):
    """The SDK percent-encodes the slash; the name must come back whole."""
    assert sdk.done(sdk.client.models.retrieve("org/model-with-slash")).id == "org/model-with-slash"


def test_files(sdk):
    content = b"line 1\r\n--boundary?\r\n\x00\xff" * 100
    made = sdk.done(sdk.client.files.create(file=("näme.bin", io.BytesIO(content)), purpose="user_data"))
    assert made.bytes == len(content)
    assert sdk.done(sdk.client.files.retrieve(made.id)).filename == made.filename
    assert sdk.done(sdk.client.files.content(made.id)).read() == content
    assert made.id in [f.id for f in sdk.items(sdk.client.files.list())]
    assert sdk.done(sdk.client.files.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.done(sdk.client.files.retrieve(made.id))


def test_uploads_in_parts(sdk):
    upload = sdk.done(sdk.client.uploads.create(bytes=10, filename="a.jsonl", mime_type="text/jsonl", purpose="batch"))
    parts = [sdk.done(sdk.client.uploads.parts.create(upload.id, data=data)) for data in (b"01234", b"56789")]
    whole = sdk.done(sdk.client.uploads.complete(upload.id, part_ids=[p.id for p in parts]))
    assert whole.file.bytes == 10
    assert sdk.done(sdk.client.files.content(whole.file.id)).read() == b"0123456789", "a file made by an upload is found"


def test_upload_cancelled(sdk):
    upload = sdk.done(sdk.client.uploads.create(bytes=10, filename="a.jsonl", mime_type="text/jsonl", purpose="batch"))
    assert sdk.done(sdk.client.uploads.cancel(upload.id)).status == "cancelled"


def test_batches(sdk):
    line = json.dumps({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}})
    file = sdk.done(sdk.client.files.create(file=("in.jsonl", line.encode()), purpose="batch"))
    made = sdk.done(sdk.client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"))
    assert made.input_file_id == file.id
    assert sdk.done(sdk.client.batches.retrieve(made.id)).status == "validating"
    assert made.id in [b.id for b in sdk.items(sdk.client.batches.list())]
    assert sdk.done(sdk.client.batches.cancel(made.id)).status == "cancelling"


def test_vector_stores(sdk):
    store = sdk.done(sdk.client.vector_stores.create(name="docs"))
    file = sdk.done(sdk.client.files.create(file=("a.txt", b"text"), purpose="assistants"))
    assert sdk.done(sdk.client.vector_stores.files.create(store.id, file_id=file.id)).vector_store_id == store.id
    assert sdk.done(sdk.client.vector_stores.update(store.id, name="new")).name == "new"
    assert sdk.done(sdk.client.vector_stores.search(store.id, query="q")).data == []
    assert sdk.done(sdk.client.vector_stores.delete(store.id)).deleted


def test_conversations(sdk):
    made = sdk.done(sdk.client.conversations.create(metadata={"a": "b"}))
    assert sdk.done(sdk.client.conversations.retrieve(made.id)).metadata == {"a": "b"}


def test_image_generation(sdk):
    answer = sdk.done(sdk.client.images.generate(model="gpt-image-1", prompt="a gate"))
    assert answer.data[0].b64_json == IMAGE


def test_image_edit_with_several_files(sdk, fake):
    script = fake.script(respond)
    pictures = [("a.png", b"\x89PNG1", "image/png"), ("b.png", b"\x89PNG2", "image/png")]
    answer = sdk.done(sdk.client.images.edit(model=script.model, image=pictures, prompt="blue"))
    assert answer.data[0].b64_json == IMAGE
    body = script.call().content
    assert b"\x89PNG1" in body and b"\x89PNG2" in body


def test_speech_is_binary(sdk):
    answer = sdk.done(sdk.client.audio.speech.create(model="tts-1", voice="alloy", input="hello"))
    assert answer.read() == SPEECH
    assert answer.response.headers["content-type"] == "audio/mpeg"


def test_speech_streamed_to_a_file(sdk, tmp_path):
    manager = sdk.client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="hello")
    if hasattr(manager, "__enter__"):
        with manager as answer:
            answer.stream_to_file(tmp_path / "speech.mp3")
    else:
        async def save():
            async with manager as answer:
                await answer.stream_to_file(tmp_path / "speech.mp3")
        sdk.done(save())
    assert (tmp_path / "speech.mp3").read_bytes() == SPEECH


def test_transcription(sdk):
    answer = sdk.done(sdk.client.audio.transcriptions.create(model="whisper-1", file=("a.wav", bytes(12345))))
    assert answer.text == "heard 12345 bytes"


def test_transcription_as_text(sdk):
    answer = sdk.done(sdk.client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", bytes(5)), response_format="text"))
    assert answer == "a transcript\n"


def test_translation(sdk):
    answer = sdk.done(sdk.client.audio.translations.create(model="whisper-1", file=("a.wav", bytes(5))))
    assert answer.text == "heard 5 bytes"


def test_the_alias_in_a_form_becomes_the_targets_model(sdk, fake):
    """`fast` is our name; the upstream knows gpt-4o-mini. In a multipart body the model is a part, maybe after the file."""
    before = len(fake.calls)
    sdk.done(sdk.client.audio.transcriptions.create(model="fast", file=("a.wav", bytes(5000))))
    calls = [c for c in fake.calls[before:] if c.target.endswith("/audio/transcriptions")]
    assert calls and b"gpt-4o-mini" in calls[-1].content and b"fast" not in calls[-1].content
