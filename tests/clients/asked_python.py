"""Embeddings and reranking by their clients for Python: `openai`, LiteLLM and `cohere`, in both of its versions.

Reads OPENAI_BASE_URL and OPENAI_API_KEY. The simulator knows texts by their words: those with the same words are near each other.
"""

import base64
import importlib.metadata
import logging
import os
import struct

# Else it asks GitHub for prices.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
import cohere  # noqa: E402
import litellm  # noqa: E402
import openai  # noqa: E402

from checks import case, run_all  # noqa: E402
from scene import API_KEY, BASE_URL, EMBED, GROK, RERANK  # noqa: E402

litellm.suppress_debug_info = True
logging.getLogger("LiteLLM").setLevel(logging.ERROR)

ROOT = BASE_URL.removesuffix("/v1")
client = openai.OpenAI(max_retries=0)

QUERY = "What is the capital of France?"
DOCUMENTS = ["Cats sleep a lot.", "Paris is the capital of France.", "Berlin is the capital of Germany."]
BEST_FIRST = [1, 2, 0]


def likeness(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def vectors(**options):
    answer = client.embeddings.create(model=EMBED, **options)
    assert [item.index for item in answer.data] == list(range(len(answer.data)))
    assert answer.object == "list" and answer.model == EMBED and answer.usage.prompt_tokens > 0, answer.usage
    return [item.embedding for item in answer.data]


@case()
def openai_embeds_and_unpacks_what_it_asks_for_in_base64():
    """It asks for base64 where its user asks for nothing."""
    packed, plain = vectors(input=[QUERY, *DOCUMENTS]), vectors(input=[QUERY, *DOCUMENTS], encoding_format="float")
    for one, other in zip(packed, plain, strict=True):
        assert len(one) == 1536
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) < 1e-7
    query, *documents = packed
    scores = [likeness(query, document) for document in documents]
    assert sorted(range(3), key=lambda at: -scores[at]) == BEST_FIRST, scores


@case()
def openai_gets_base64_as_it_is():
    raw = client.embeddings.with_raw_response.create(model=EMBED, input="a", dimensions=256, encoding_format="base64")
    assert raw.headers["x-ociai-account"]
    (item,) = raw.http_response.json()["data"]
    floats = struct.unpack("<256f", base64.b64decode(item["embedding"]))
    assert floats == struct.unpack("<256f", struct.pack("<256f", *vectors(input="a", dimensions=256, encoding_format="float")[0]))


@case()
def openai_embeds_more_than_a_call_takes():
    texts = [f"text {number}" for number in range(250)]
    many = vectors(input=texts, dimensions=256)
    assert len(many) == 250
    assert list(many[200]) == list(vectors(input="text 200", dimensions=256)[0])


@case()
def openai_is_told_what_is_wrong():
    for options, param in (
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": [[1, 2, 3]]}, "input"),
        ({"input": "a", "dimensions": 77}, "dimensions"),
        ({"input": "a", "model": GROK}, "model"),
        ({"input": "a", "extra_body": {"input_type": "poetry"}}, "input_type"),
    ):
        try:
            client.embeddings.create(**{"model": EMBED, **options})
        except openai.BadRequestError as error:
            assert error.param == param, (options, error)
        else:
            raise AssertionError(options)
    try:
        client.embeddings.create(model=EMBED, input="simulate throttling")
    except openai.RateLimitError as error:
        assert error.code == "rate_limit_exceeded", error
    else:
        raise AssertionError("it was not throttled")


@case()
def litellm_embeds():
    known = {"api_base": BASE_URL, "api_key": API_KEY}
    answer = litellm.embedding(model=f"openai/{EMBED}", input=[QUERY, "b"], dimensions=256, allowed_openai_params=["dimensions"], **known)
    assert [len(item["embedding"]) for item in answer.data] == [256, 256] and answer.usage.prompt_tokens > 0


@case("cohere", "jina_ai", "hosted_vllm")
def litellm_ranks(provider):
    base = BASE_URL if provider == "jina_ai" else ROOT
    known = {"model": f"{provider}/{RERANK}", "api_base": base, "api_key": API_KEY, "query": QUERY}
    answer = litellm.rerank(documents=DOCUMENTS, top_n=2, return_documents=True, **known)
    assert [result["index"] for result in answer.results] == BEST_FIRST[:2], answer
    assert answer.results[0]["document"]["text"] == DOCUMENTS[1], answer
    assert answer.results[0]["relevance_score"] > answer.results[1]["relevance_score"]
    objects = [{"text": text, "page": page} for page, text in enumerate(DOCUMENTS)]
    answer = litellm.rerank(documents=objects, **known)
    assert [result["index"] for result in answer.results] == BEST_FIRST, answer


@case()
def litellm_ranks_in_coheres_first_version():
    answer = litellm.rerank(
        model=f"cohere/{RERANK}", api_base=f"{BASE_URL}/rerank", api_key=API_KEY, query=QUERY, documents=DOCUMENTS, max_chunks_per_doc=5
    )
    assert [result["index"] for result in answer.results] == BEST_FIRST, answer


@case(cohere.Client, cohere.ClientV2)
def cohere_ranks(kind):
    asker = kind(API_KEY, base_url=ROOT)
    answer = asker.rerank(model=RERANK, query=QUERY, documents=DOCUMENTS, top_n=2)
    assert [result.index for result in answer.results] == BEST_FIRST[:2], answer
    assert answer.id and answer.meta.api_version.version, answer


@case()
def cohere_gets_documents_back():
    asker = cohere.Client(API_KEY, base_url=ROOT)
    documents = [{"title": "Cats", "body": "They sleep."}, {"title": "France", "body": "Its capital is Paris."}]
    answer = asker.rerank(model=RERANK, query=QUERY, documents=documents, rank_fields=["title", "body"], return_documents=True)
    assert [result.index for result in answer.results] == [1, 0], answer
    assert answer.results[0].document.text == "title: France\nbody: Its capital is Paris.", answer


@case()
def cohere_is_told_what_is_wrong():
    asker = cohere.ClientV2(API_KEY, base_url=ROOT)
    try:
        asker.rerank(model=EMBED, query=QUERY, documents=DOCUMENTS)
    except cohere.BadRequestError as error:
        assert "/v1/embeddings" in str(error.body), error
    else:
        raise AssertionError("an embedding model has ranked")


if __name__ == "__main__":
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("openai", "litellm", "cohere"))
    run_all(f"embeddings and reranking by {versions}")
