"""Checks the requests that the proxy makes, those of the golden files, against the classes of Oracle's SDK for Python: every
attribute is known, has the right type and an allowed value, and none is missing that must be there.
`oci_requests.py GOLDEN_DIRECTORY`.
"""

import glob
import json
import os
import re
import sys

import oci
from oci.generative_ai_inference import models

from checks import case, run_all

PRIMITIVES = {"str": (str,), "bool": (bool,), "int": (int,), "float": (int, float), "object": (object,)}
# The tests that compare with the golden files leave it out.
LEFT_OUT = {(kind, "compartmentId") for kind in ("ChatDetails", "EmbedTextDetails", "RerankTextDetails")}
# What the golden directories hold; the others hold chats.
KINDS = {"embeddings": "EmbedTextDetails", "rerank": "RerankTextDetails"}

golden = sys.argv[1]
REQUESTS = sorted(glob.glob(os.path.join(golden, "*", "*", "request.oci.json")))


def problems(value, kind, where):
    """What the SDK would not accept in a value that should be of this kind; `kind` is as in its `swagger_types`."""
    if value is None:
        yield f"{where}: null"
    elif listed := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            yield f"{where}: not a list"
            return
        for number, one in enumerate(value):
            yield from problems(one, listed[1], f"{where}[{number}]")
    elif mapped := re.fullmatch(r"dict\(str, (.+)\)", kind):
        if not isinstance(value, dict):
            yield f"{where}: not an object"
            return
        for key, one in value.items():
            yield from problems(one, mapped[1], f"{where}.{key}")
    elif kind in PRIMITIVES:
        if not isinstance(value, PRIMITIVES[kind]) or isinstance(value, bool) and kind in ("int", "float"):
            yield f"{where}: {value!r} is not of the type {kind}"
    elif not isinstance(value, dict):
        yield f"{where}: not an object ({kind})"
    else:
        yield from problems_of_model(value, getattr(models, kind), where)


def problems_of_model(value, model, where):
    if "get_subtype" in vars(model):
        subtype = getattr(models, model.get_subtype(value))
        if subtype is model:
            yield f"{where}: not a kind of {model.__name__} that is known"
            return
        model = subtype
    instance = model()
    attributes = {json_name: name for name, json_name in instance.attribute_map.items()}
    for key, one in value.items():
        name = attributes.get(key)
        if name is None:
            yield f"{where}.{key}: unknown to {model.__name__}"
            continue
        yield from problems(one, instance.swagger_types[name], f"{where}.{key}")
        # The kind of a message, say: set by its class, whatever the setter of the parent's allows.
        if getattr(instance, name) == one:
            continue
        # The setter refuses a value that is not allowed, or replaces it.
        try:
            setattr(instance, name, one)
            if getattr(instance, name) != one:
                yield f"{where}.{key}: {one!r} is not allowed"
        except ValueError as error:
            yield f"{where}.{key}: {one!r}: {error}"
    for key, name in attributes.items():
        required = "**[Required]**" in (getattr(model, name).__doc__ or "")
        if required and key not in value and (model.__name__, key) not in LEFT_OUT:
            yield f"{where}.{key}: missing"


def found(request, kind="ChatDetails"):
    return list(problems(request, kind, "$"))


@case(*(os.path.relpath(os.path.dirname(path), golden) for path in REQUESTS))
def a_request_is_one_of_the_sdk(name):
    with open(os.path.join(golden, name, "request.oci.json"), encoding="utf-8") as file:
        kind = KINDS.get(name.split(os.sep)[0], "ChatDetails")
        assert not (wrong := found(json.load(file), kind)), "\n".join(wrong)


@case()
def there_are_requests_and_mistakes_in_them_are_found():
    assert len(REQUESTS) > 10, REQUESTS

    def wrong(message, **options):
        request = {"apiFormat": "GENERIC", "messages": [message], **options}
        mode = {"servingType": "ON_DEMAND", "modelId": "xai.grok-4.3"}
        return found({"servingMode": mode, "chatRequest": request})

    content = [{"type": "TEXT", "text": "Hello!"}]
    message = {"role": "USER", "content": content}
    assert not wrong(message, maxTokens=5)
    for bad in (
        wrong({**message, "refusal": "x"}),
        wrong({**message, "role": "ROBOT"}),
        wrong({"role": "USER", "content": "Hello!"}),
        wrong({"role": "TOOL", "toolCallId": 1, "content": content}),
        wrong(message, maxTokens="5"),
        wrong(message, topK=None),
        wrong(message, reasoningEffort="MAX"),
        wrong(message, toolChoice={"type": "FUNCTION", "nome": "x"}),
        wrong(message, responseFormat={"type": "JSON_SCHEMA", "jsonSchema": {"schema": {}}}),
    ):
        assert len(bad) in (1, 2), bad


if __name__ == "__main__":
    run_all(f"requests by oci {oci.__version__}")
