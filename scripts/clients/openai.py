#!/usr/bin/env python3
"""OpenAI's own Python library (PyPI: openai) against a coordinator.

    scripts/clients/openai.py http://127.0.0.1:7878 KEY [MODEL]

The node must have the shipped model, or MODEL must name one that draws shapes. Pillow looks at the pictures.
It prints what it did and ends with an error at the first thing that is not as it should be.
"""

import sys

sys.path.pop(0)  # this file has the library's name

import base64
import io
import urllib.request
import uuid

import openai
from PIL import Image, ImageChops, ImageStat


def check(right, *what):
    if not right:
        sys.exit("FAILED: " + " ".join(str(w) for w in what))


def opened(text, kind="PNG", size=None):
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    check(picture.format == kind and (size is None or "%dx%d" % picture.size == size), picture.format, picture.size, "and not", kind, size)
    return picture.convert("RGB")


def colour(picture):
    """The mean colour of what is not white."""
    mask = picture.convert("L").point(lambda v: 255 if v < 200 else 0)
    check(mask.getbbox(), "the picture is empty")
    return ImageStat.Stat(picture, mask).mean


def is_green(picture):
    red, green, blue = colour(picture)
    check(green > 1.3 * red and green > 1.3 * blue, "the shape is", red, green, blue)


def is_whole(usage):
    check(usage.input_tokens > 0 and usage.output_tokens > 0, usage)
    check(usage.total_tokens == usage.input_tokens + usage.output_tokens, usage)


def models(client, model):
    listed = [m.id for m in client.models.list()]
    check(model in listed or client.models.retrieve(model).object == "model", model, "is not in", listed)
    print("models:", ", ".join(listed))


def generate(client, model):
    reply = client.images.generate(model=model, prompt="a large green circle on a white background", response_format="b64_json", quality="medium", n=2)
    check(len(reply.data) == 2 and reply.output_format == "png" and reply.background == "opaque" and reply.created > 0, reply.size)
    is_whole(reply.usage)
    for datum in reply.data:
        is_green(opened(datum.b64_json, size=reply.size))
    print("generate: two pictures of", reply.size)
    return reply.data[0].b64_json


def address(client, model):
    reply = client.images.generate(model=model, prompt="a large green circle on a white background", response_format="url", output_format="jpeg", output_compression=90)
    check(reply.data[0].b64_json is None, "both forms")
    with urllib.request.urlopen(reply.data[0].url) as response:
        check(response.headers["Content-Type"] == "image/jpeg", response.headers)
        is_green(Image.open(io.BytesIO(response.read())).convert("RGB"))
    print("generate: a picture by address")


def stream(client, model):
    partials = 0
    completed = None
    for event in client.images.generate(model=model, prompt="a large green circle on a white background", stream=True, partial_images=2):
        if event.type == "image_generation.partial_image":
            check(event.partial_image_index == partials and completed is None, event.partial_image_index)
            opened(event.b64_json)
            partials += 1
        else:
            check(event.type == "image_generation.completed", event.type)
            is_green(opened(event.b64_json, size=event.size))
            is_whole(event.usage)
            completed = event
    check(completed and partials == 2, partials, "partial images")
    print("stream: two partial images and a picture of", completed.size)


def edit(client, model, original):
    before = opened(original)
    width, height = before.size
    mask = Image.new("RGBA", before.size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, width, height // 2))
    file = io.BytesIO()
    mask.save(file, "PNG")
    reply = client.images.edit(
        model=model, image=("picture.png", base64.b64decode(original)), mask=("mask.png", file.getvalue()), prompt="a small red star at the top on a white background", response_format="b64_json")
    after = opened(reply.data[0].b64_json, size="%dx%d" % before.size)
    lower = (0, height // 2 + 1, width, height)
    kept = ImageStat.Stat(ImageChops.difference(before.crop(lower), after.crop(lower))).mean
    upper = (0, 0, width, height // 2)
    changed = ImageStat.Stat(ImageChops.difference(before.crop(upper), after.crop(upper))).mean
    check(max(kept) < 4, "what the mask leaves out changed by", kept)
    check(max(changed) > 4, "nothing changed")
    print("edit: the masked half is new, the other half is as it was")


def edit_stream(client, model, original):
    types = []
    image = [("picture.png", base64.b64decode(original))]
    for event in client.images.edit(model=model, image=image, prompt="a large green circle on a white background", stream=True, partial_images=1):
        types.append(event.type)
        opened(event.b64_json)
    check(types == ["image_edit.partial_image", "image_edit.completed"], types)
    print("edit: streamed, of a list with one image")


def errors(client, model, base):
    def refused(kind, param, code, call):
        try:
            call()
        except kind as error:
            check(error.param == param and error.code == code and error.request_id.startswith("req_"), error.param, error.code, error.request_id)
            print("refused as it should be:", error.status_code, error.body["message"])
            return
        check(False, "expected", kind)

    prompt = "a green circle"
    refused(openai.BadRequestError, "n", "integer_above_max_value", lambda: client.images.generate(model=model, prompt=prompt, n=11, size="large"))
    refused(openai.BadRequestError, "seed", "unknown_parameter", lambda: client.images.generate(model=model, prompt=prompt, extra_body={"seed": 7}))
    refused(openai.NotFoundError, "model", "model_not_found", lambda: client.images.generate(model="no-such-model", prompt=prompt))
    refused(openai.NotFoundError, "model", "model_not_found", lambda: client.images.generate(model="no-such-model", prompt=prompt, stream=True))
    refused(openai.BadRequestError, "image", "invalid_value", lambda: client.images.edit(model=model, image=b"no picture", prompt=prompt))
    refused(openai.AuthenticationError, None, "invalid_api_key", lambda: openai.OpenAI(base_url=base, api_key="wrong").models.list())


def again(client, model):
    """A repeated request with its idempotency key is not made a second time: its seed is drawn anew."""
    key = str(uuid.uuid4())
    replies = [
        client.images.generate(model=model, prompt="a large green circle on a white background", response_format="b64_json", extra_headers={"Idempotency-Key": key})
        for _ in range(2)
    ]
    check(replies[0].data[0].b64_json == replies[1].data[0].b64_json, "the request was made twice")
    print("idempotency key: the same picture, made once")


def main():
    base, key = sys.argv[1].rstrip("/") + "/v1", sys.argv[2]
    model = sys.argv[3] if len(sys.argv) > 3 else "shapes"
    client = openai.OpenAI(base_url=base, api_key=key)
    models(client, model)
    original = generate(client, model)
    address(client, model)
    stream(client, model)
    edit(client, model, original)
    edit_stream(client, model, original)
    errors(client, model, base)
    again(client, model)
    print("openai", openai.__version__, "is content")


main()
