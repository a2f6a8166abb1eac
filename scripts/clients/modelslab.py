#!/usr/bin/env python3
"""ModelsLab's own Python SDK (PyPI: modelslab-py, requests) against a coordinator.

    scripts/clients/modelslab.py http://127.0.0.1:7878 KEY [MODEL]

The node must have the shipped model, or MODEL must name one that draws shapes. Pillow looks at the pictures.
It prints what it did and ends with an error at the first thing that is not as it should be.
"""

import base64
import io
import sys

import requests
from modelslab_py.core.apis.community import Community
from modelslab_py.core.client import Client
from modelslab_py.schemas.community import ControlNet, Image2Image, Inpainting, Text2Image
from PIL import Image, ImageChops, ImageStat

SIDE = 128


def check(right, *what):
    if not right:
        sys.exit("FAILED: " + " ".join(str(w) for w in what))


def community(base, key, enterprise):
    client = Client(key, fetch_retry=300, fetch_timeout=1)
    client.base_url = base + "/api/"  # Community reads it once, when it is made
    return Community(client, enterprise=enterprise)


def finish(api, reply):
    """The reply with images, fetched where they were not ready."""
    if reply["status"] == "processing":
        check(reply["output"] == [] and reply["eta"] > 0 and reply["messege"] == reply["message"], reply)
        check(reply["fetch_result"].endswith("/fetch/%d" % reply["id"]), reply["fetch_result"])
        future = reply["future_links"]
        reply = api.fetch(str(reply["id"]))
        check(reply["output"] == future, "future_links", future, "became", reply["output"])
    check(reply["status"] == "success", reply)
    check(isinstance(reply["id"], int) and reply["generationTime"] > 0, reply)
    return reply


def download(link, size=(SIDE, SIDE)):
    response = requests.get(link, timeout=60)
    check(response.status_code == 200 and response.headers["Content-Type"] == "image/png", link, response.status_code)
    return opened(response.content, size)


def opened(file, size=(SIDE, SIDE)):
    picture = Image.open(io.BytesIO(file))
    check(picture.format == "PNG" and picture.size == size, picture.format, picture.size, "and not", size)
    return picture.convert("RGB")


def encoded(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def colour(picture):
    """The mean colour of what is not white."""
    mask = picture.convert("L").point(lambda v: 255 if v < 200 else 0)
    check(mask.getbbox(), "the picture is empty")
    return ImageStat.Stat(picture, mask).mean


def refused(call, status, text):
    try:
        reply = call()
    except Exception as error:  # the SDK has no class of its own
        check("status code %d" % status in str(error) and text in str(error), "expected", status, text, "and not", error)
        print("  refused as it should be:", status, text)
        return
    sys.exit("FAILED: expected %d %s, got %s" % (status, text, reply))


def shapes(api, model):
    ask = dict(model_id=model, width=SIDE, height=SIDE, num_inference_steps=20, guidance_scale=5, scheduler="EulerDiscreteScheduler")
    reply = finish(api, api.text_to_image(Text2Image(
        prompt="a green star on a white background", samples=2, seed=7, enhance_prompt="yes", clip_skip=1, **ask)))
    check(reply["meta"]["seed"] == 7 and reply["meta"]["n_samples"] == 2 and reply["meta"]["W"] == SIDE, reply["meta"])
    stars = [download(link) for link in reply["output"]]
    check(len(stars) == 2 and ImageChops.difference(*stars).getbbox(), "two seeds gave one picture")
    red, green, blue = colour(stars[0])
    check(green > red and green > blue, "the star is not green:", red, green, blue)
    print("  text_to_image: 2 pictures, green", round(green))

    again = finish(api, api.text_to_image(Text2Image(prompt="a green star on a white background", samples=1, seed=7, instant_response=True, **ask)))
    check(not ImageChops.difference(stars[0], download(again["output"][0])).getbbox(), "the same seed gave another picture")
    print("  text_to_image, fetched later: the same picture by the same seed")

    reply = finish(api, api.image_to_image(Image2Image(
        prompt="a blue star on a white background", init_image=encoded(stars[0]), strength=0.8, seed=7, samples=1, **ask)))
    changed = download(reply["output"][0])
    red, green, blue = colour(changed)
    check(blue > green, "the star is not blue:", red, green, blue)
    print("  image_to_image: blue", round(blue), "strength", reply["meta"]["strength"])

    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (0, 0, SIDE // 2, SIDE))
    reply = finish(api, api.inpainting(Inpainting(
        prompt="a red circle on a white background", init_image=encoded(stars[0]), mask_image="data:image/png;base64," + encoded(mask), seed=8, samples=1, **ask)))
    difference = ImageChops.difference(stars[0], download(reply["output"][0]))
    check(not difference.crop((SIDE // 2, 0, SIDE, SIDE)).getbbox(), "what the mask leaves out was changed")
    check(difference.crop((0, 0, SIDE // 2, SIDE)).getbbox(), "nothing was painted")
    print("  inpainting: the masked half is new, the other half is as it was")

    reply = api.text_to_image(Text2Image(prompt="a red circle", seed=9, samples=1, base64="yes", **ask))
    if reply["status"] == "processing":
        reply = api.fetch(str(reply["id"]))
    opened(base64.b64decode(reply["output"][0], validate=True))
    print("  base64: a picture in the reply")

    refused(lambda: api.text_to_image(Text2Image(prompt="a red circle", samples=9)), 400, "samples")
    refused(lambda: api.text_to_image(Text2Image(prompt="a red circle", panorama="yes")), 400, "panorama")
    refused(lambda: api.controlnet(ControlNet(prompt="a red circle", controlnet_model="canny")), 400, "controlnet_model")


def main():
    base, key = sys.argv[1].rstrip("/"), sys.argv[2]
    model = sys.argv[3] if len(sys.argv) > 3 else None
    for enterprise in (True, False):
        print("enterprise" if enterprise else "v6")
        shapes(community(base, key, enterprise), model)
    api = community(base, key, True)
    details = api.system_details()
    check(details["status"] == "ok" and details["model_count"] >= 1, details)
    print("system_details:", details)
    cleared = api.clear_queue()
    check(cleared["status"] == "success", cleared)
    print("clear_queue:", cleared["message"])
    refused(api.restart, 400, "restart_server")
    refused(api.update, 400, "update")
    refused(lambda: community(base, "wrong", False).text_to_image(Text2Image(prompt="a")), 401, "Invalid API key")
    print("modelslab-py: all well")


if __name__ == "__main__":
    main()
