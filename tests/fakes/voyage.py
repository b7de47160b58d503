"""Voyage AI's embeddings as scripts for fake_upstream.py, with the official SDK as judge of both directions."""

import base64
import inspect
import struct

import voyageai
from voyageai.api_resources import VoyageResponse

KEY = "voyage-key-of-the-test"

# -- the judge ------------------------------------------------------------------------------------

# What voyageai.Client.embed gives on to the API: its own parameters, `texts` by the name of the wire.
PARAMETERS = {"input" if name == "texts" else name: parameter
              for name, parameter in inspect.signature(voyageai.Client.embed, eval_str=True).parameters.items()
              if name != "self"}


def check_request(body):
    unknown = body.keys() - PARAMETERS.keys() - {"encoding_format"}  # the SDK's own, beneath its parameters
    assert not unknown, f"the SDK has no {sorted(unknown)}"
    assert isinstance(body["model"], str) and all(isinstance(text, str) for text in body["input"])
    assert 1 <= len(body["input"]) <= 1000
    assert body.get("input_type") in (None, "query", "document"), body["input_type"]
    assert isinstance(body["truncation"], bool)
    assert isinstance(body.get("output_dimension") or 1, int)


# -- answers --------------------------------------------------------------------------------------


def embeddings(vectors, tokens, model="voyage-4"):
    value = {"object": "list", "data": [{"object": "embedding", "embedding": vector, "index": index}
                                        for index, vector in enumerate(vectors)],
             "model": model, "usage": {"total_tokens": tokens}}
    read = voyageai.object.EmbeddingsObject(VoyageResponse.construct_from(value))
    assert read.embeddings == vectors and read.total_tokens == tokens
    return value


def encoded(value):
    """The same answer with its vectors in base64."""
    return {**value, "data": [{**row, "embedding": base64.b64encode(struct.pack(f"<{len(row['embedding'])}f", *row["embedding"])).decode()}
                              for row in value["data"]]}


def floats(encoded):
    """The numbers of a vector in base64, as OpenAI's SDK asks for them."""
    raw = base64.b64decode(encoded)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


# -- scripts --------------------------------------------------------------------------------------


def telling(value, status=200, headers=()):
    async def tell(request):
        await request.body()
        assert request.header("authorization") == f"Bearer {KEY}", "not the provider's own key"
        assert request.target == "/v1/embeddings", request.target
        check_request(request.json())
        request.answer(encoded(value) if request.json().get("encoding_format") == "base64" else value, status, headers)
    return tell
