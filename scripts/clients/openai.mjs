#!/usr/bin/env node
// OpenAI's own JavaScript library (npm: openai) against a coordinator.
//
//   scripts/clients/openai.mjs http://127.0.0.1:7878 KEY [MODEL]
//
// The node must have the shipped model, or MODEL must name one that draws shapes. Pictures are looked at as far as
// Node can without a library: their format, their size and, in PNG files, their pixels.
// It prints what it did and ends with an error at the first thing that is not as it should be.

import { randomUUID } from "node:crypto";
import { deflateSync, crc32 as zlibCrc32, inflateSync } from "node:zlib";
import OpenAI, { toFile } from "openai";

const circle = "a large green circle on a white background";

function check(right, ...what) {
  if (!right) {
    console.error("FAILED:", ...what);
    process.exit(1);
  }
}

// decoded is an RGB picture of 8 bits from a PNG file without interlacing.
function decoded(file) {
  check(file.subarray(1, 4).toString() === "PNG", "no PNG file");
  const parts = [];
  let width, height, channels;
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const kind = file.toString("latin1", at + 4, at + 8);
    const body = file.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR") {
      [width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
      check(body[8] === 8 && (body[9] === 2 || body[9] === 6) && body[12] === 0, "a PNG file of another kind", ...body);
      channels = body[9] === 2 ? 3 : 4;
    }
    if (kind === "IDAT") parts.push(body);
    at += length + 12;
  }
  return { width, height, channels, pixels: unfiltered(inflateSync(Buffer.concat(parts)), width, height, channels) };
}

// unfiltered undoes the filters of PNG's lines (PNG specification, section 9.2).
function unfiltered(lines, width, height, channels) {
  const stride = width * channels;
  const out = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = lines[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const left = x >= channels ? out[y * stride + x - channels] : 0;
      const up = y > 0 ? out[(y - 1) * stride + x] : 0;
      const corner = x >= channels && y > 0 ? out[(y - 1) * stride + x - channels] : 0;
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      out[y * stride + x] = lines[y * (stride + 1) + 1 + x] + predicted;
    }
  }
  return out;
}

function paeth(a, b, c) {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

// transparentAbove is a PNG file in RGBA whose upper half is transparent.
function transparentAbove(width, height) {
  const lines = Buffer.alloc(height * (width * 4 + 1));
  for (let y = height >> 1; y < height; y++) lines.fill(255, y * (width * 4 + 1) + 1, (y + 1) * (width * 4 + 1));
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(lines)), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(kind, body) {
  const named = Buffer.concat([Buffer.from(kind, "latin1"), body]);
  const out = Buffer.alloc(named.length + 8);
  out.writeUInt32BE(body.length, 0);
  named.copy(out, 4);
  out.writeUInt32BE(zlibCrc32(named), named.length + 4);
  return out;
}

function picture(text, size) {
  const p = decoded(Buffer.from(text, "base64"));
  check(!size || size === `${p.width}x${p.height}`, `${p.width}x${p.height}`, "and not", size);
  return p;
}

function isGreen(p) {
  const sum = [0, 0, 0];
  for (let i = 0; i < p.pixels.length; i += p.channels) {
    const [r, g, b] = p.pixels.subarray(i, i + 3);
    if (r + g + b < 600) [r, g, b].forEach((v, c) => (sum[c] += v));
  }
  check(sum[1] > 1.3 * sum[0] && sum[1] > 1.3 * sum[2], "the shape is", ...sum);
}

// difference is the mean over the lines from..to of two pictures.
function difference(a, b, from, to) {
  let sum = 0;
  const stride = a.width * a.channels;
  for (let i = from * stride; i < to * stride; i++) sum += Math.abs(a.pixels[i] - b.pixels[i]);
  return sum / ((to - from) * stride);
}

function isWhole(usage) {
  check(usage.input_tokens > 0 && usage.output_tokens > 0, JSON.stringify(usage));
  check(usage.total_tokens === usage.input_tokens + usage.output_tokens, JSON.stringify(usage));
}

async function models(client, model) {
  const listed = [];
  for await (const m of client.models.list()) listed.push(m.id);
  check(listed.includes(model) || (await client.models.retrieve(model)).object === "model", model, "is not in", ...listed);
  console.log("models:", listed.join(", "));
}

async function generate(client, model) {
  const reply = await client.images.generate({ model, prompt: circle, response_format: "b64_json", quality: "medium", n: 2 });
  check(reply.data.length === 2 && reply.output_format === "png" && reply.background === "opaque", reply.size);
  isWhole(reply.usage);
  for (const datum of reply.data) isGreen(picture(datum.b64_json, reply.size));
  console.log("generate: two pictures of", reply.size);
  return reply.data[0].b64_json;
}

async function address(client, model) {
  const reply = await client.images.generate({ model, prompt: circle, response_format: "url" });
  const response = await fetch(reply.data[0].url);
  check(response.ok && response.headers.get("content-type") === "image/png", response.status);
  isGreen(decoded(Buffer.from(await response.arrayBuffer())));
  console.log("generate: a picture by address");
}

async function stream(client, model) {
  let partials = 0;
  let completed;
  for await (const event of await client.images.generate({ model, prompt: circle, stream: true, partial_images: 2 })) {
    if (event.type === "image_generation.partial_image") {
      check(event.partial_image_index === partials++ && !completed, "partial image", event.partial_image_index);
      picture(event.b64_json);
    } else {
      check(event.type === "image_generation.completed", event.type);
      isGreen(picture(event.b64_json, event.size));
      isWhole(event.usage);
      completed = event;
    }
  }
  check(completed && partials === 2, partials, "partial images");
  console.log("stream: two partial images and a picture of", completed.size);
}

async function edit(client, model, original) {
  const before = picture(original);
  const mask = await toFile(transparentAbove(before.width, before.height), "mask.png", { type: "image/png" });
  const reply = await client.images.edit({
    model,
    image: await toFile(Buffer.from(original, "base64"), "picture.png", { type: "image/png" }),
    mask,
    prompt: "a small red star at the top on a white background",
    response_format: "b64_json",
  });
  const after = picture(reply.data[0].b64_json, `${before.width}x${before.height}`);
  const half = before.height >> 1;
  const kept = difference(before, after, half + 1, before.height);
  check(kept < 4, "what the mask leaves out changed by", kept);
  check(difference(before, after, 0, half) > 4, "nothing changed");
  console.log("edit: the masked half is new, the other half is as it was");
}

async function editStream(client, model, original) {
  const types = [];
  const image = [await toFile(Buffer.from(original, "base64"), "picture.png", { type: "image/png" })];
  for await (const event of await client.images.edit({ model, image, prompt: circle, stream: true, partial_images: 1 })) {
    types.push(event.type);
    picture(event.b64_json);
  }
  check(types.join() === "image_edit.partial_image,image_edit.completed", ...types);
  console.log("edit: streamed, of a list with one image");
}

async function errors(client, model, baseURL) {
  const refused = async (kind, param, code, call) => {
    const error = await call().then(() => undefined, (e) => e);
    check(error instanceof kind, "expected", kind.name, "and not", error);
    check(error.param === param && error.code === code && error.requestID.startsWith("req_"), error.param, error.code, error.requestID);
    console.log("refused as it should be:", error.message);
  };
  const prompt = "a green circle";
  await refused(OpenAI.BadRequestError, "n", "integer_above_max_value", () => client.images.generate({ model, prompt, n: 11, size: "large" }));
  await refused(OpenAI.BadRequestError, "seed", "unknown_parameter", () => client.images.generate({ model, prompt, seed: 7 }));
  await refused(OpenAI.NotFoundError, "model", "model_not_found", () => client.images.generate({ model: "no-such-model", prompt }));
  await refused(OpenAI.NotFoundError, "model", "model_not_found", () => client.images.generate({ model: "no-such-model", prompt, stream: true }));
  await refused(OpenAI.AuthenticationError, null, "invalid_api_key", () => new OpenAI({ baseURL, apiKey: "wrong" }).images.generate({ model, prompt }));
}

// A repeated request with its idempotency key is not made a second time: its seed would be drawn anew.
async function again(client, model) {
  const headers = { "Idempotency-Key": randomUUID() };
  const once = () => client.images.generate({ model, prompt: circle, response_format: "b64_json" }, { headers });
  const replies = [await once(), await once()];
  check(replies[0].data[0].b64_json === replies[1].data[0].b64_json, "the request was made twice");
  console.log("idempotency key: the same picture, made once");
}

const [url, apiKey, model = "shapes"] = process.argv.slice(2);
const baseURL = url.replace(/\/$/, "") + "/v1";
const client = new OpenAI({ baseURL, apiKey });
await models(client, model);
const original = await generate(client, model);
await address(client, model);
await stream(client, model);
await edit(client, model, original);
await editStream(client, model, original);
await errors(client, model, baseURL);
await again(client, model);
console.log("openai is content");
