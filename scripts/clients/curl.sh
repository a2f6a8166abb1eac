#!/usr/bin/env bash
# The vendors' own curl examples against a coordinator that has the catalog docs/examples/catalog-demo.yaml. Only
# host, path prefix, key and placeholders for pictures and ids are changed.
#
#   scripts/clients/curl.sh http://127.0.0.1:7878 KEY [VENDOR...]
#
# VENDOR is openai, distribute, modelslab, nebulablock, deepfellow or yescale; all of them unless given. A vendor's
# base URL and key can be set apart: URL_distribute=... KEY_distribute=... The key of a vendor may be bound to it.
# Every reply must be of the right status and every picture must decode and have the size that was asked for. It
# prints what it did, and ends with status 1 when anything was wrong.
set -uo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
url=$1 key=$2
shift 2
[ $# -gt 0 ] || set -- openai distribute modelslab nebulablock deepfellow yescale
for tool in curl jq go base64; do
  command -v "$tool" >/dev/null || { echo "scripts/clients/curl.sh needs $tool" >&2; exit 2; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/lookat" ./scripts/clients/lookat || exit 2
faults=0 vendor=

# use says whose examples come next and sets its base URL and key.
use() {
  vendor=$1
  local own_url=URL_$1 own_key=KEY_$1
  API_URL=${!own_url:-$url} API_KEY=${!own_key:-$key}
}

fail() {
  echo "FAILED $vendor: $*" >&2
  faults=$((faults + 1))
}

# example NAME STATUS ARGUMENTS... sends a request with curl and keeps the reply in $work/reply.
example() {
  local name=$1 want=$2 got
  shift 2
  got=$(curl --silent --show-error --max-time 300 --output "$work/reply" --write-out '%{http_code}' "$@") ||
    { fail "$name: curl ended with status $?"; return 1; }
  [ "$got" = "$want" ] || { fail "$name: status $got, want $want: $(head -c 300 "$work/reply")"; return 1; }
  echo "$vendor: $name: $got"
}

# pictures SIZE NUMBER FORMAT JQ checks that JQ finds so many pictures in the reply, by address or in base64.
pictures() {
  local size=$1 number=$2 format=$3 found=0 text seen
  while IFS= read -r text; do
    found=$((found + 1))
    case $text in
      http://* | https://*) curl --silent --show-error --fail --max-time 60 --output "$work/picture" "$text" || { fail "fetching $text"; continue; } ;;
      *) printf %s "${text#data:*,}" | base64 --decode >"$work/picture" 2>/dev/null || { fail "no base64: ${text:0:60}"; continue; } ;;
    esac
    seen=$("$work/lookat" "$work/picture" 2>&1)
    [ "$seen" = "$format $size" ] || fail "got $seen, want $format $size"
  done < <(jq -r "$4" "$work/reply")
  [ "$found" = "$number" ] || fail "got $found pictures, want $number: $(head -c 300 "$work/reply")"
}

# until_true JQ ARGUMENTS... repeats a request until JQ is true of the reply: jobs take their time.
until_true() {
  local true_of=$1 end=$((SECONDS + 120))
  shift
  until curl --silent --show-error --max-time 60 --output "$work/reply" "$@" && jq -e "$true_of" "$work/reply" >/dev/null; do
    [ $SECONDS -lt $end ] || { fail "never came true: $true_of: $(head -c 300 "$work/reply")"; return 1; }
    sleep 0.2
  done
}

# A picture to change and the part of it to make anew, for the placeholders of the examples.
start_pictures() {
  [ -e "$work/otter.png" ] && return
  example "a picture to begin with" 200 "$API_URL/v1/images/generations" -H "Content-Type: application/json" \
    -H "Authorization: Bearer $key" -d '{"model":"gpt-image-1","prompt":"a red circle on a white background","size":"1024x1024"}' || return 1
  jq -r '.data[0].b64_json' "$work/reply" | base64 --decode >"$work/otter.png"
  cp "$work/otter.png" "$work/mask.png"
}

openai() {
  use openai
  local OPENAI_API_KEY=$API_KEY
  example "create image" 200 "$API_URL/v1/images/generations" \
    -H "Content-Type: application/json" \
    -H "Authorization: Bearer $OPENAI_API_KEY" \
    -d '{
    "model": "gpt-image-1.5",
    "prompt": "A cute baby sea otter",
    "n": 1,
    "size": "1024x1024"
  }' && pictures 1024x1024 1 png '.data[].b64_json'
  example "create image, streaming" 200 "$API_URL/v1/images/generations" \
    -H "Content-Type: application/json" \
    -H "Authorization: Bearer $OPENAI_API_KEY" \
    -d '{
    "model": "gpt-image-1.5",
    "prompt": "A cute baby sea otter",
    "n": 1,
    "size": "1024x1024",
    "stream": true
  }' --no-buffer && {
    sed -n 's/^data: //p' "$work/reply" >"$work/events" && mv "$work/events" "$work/reply"
    pictures 1024x1024 1 png 'select(.type == "image_generation.completed").b64_json'
  }
  start_pictures || return
  example "create image edit" 200 -X POST "$API_URL/v1/images/edits" \
    -H "Authorization: Bearer $OPENAI_API_KEY" \
    -F "model=gpt-image-1.5" \
    -F "image[]=@$work/otter.png" \
    -F 'prompt=Create a lovely gift basket with these four items in it' && pictures 1024x1024 1 png '.data[].b64_json'
  example "create image variation" 200 "$API_URL/v1/images/variations" \
    -H "Authorization: Bearer $OPENAI_API_KEY" \
    -F image="@$work/otter.png" \
    -F n=2 \
    -F size="1024x1024" && pictures 1024x1024 2 png '.data[] | .url // .b64_json'
  example "list models" 200 "$API_URL/v1/models" -H "Authorization: Bearer $OPENAI_API_KEY" &&
    { jq -e '.object == "list" and (.data | length > 0)' "$work/reply" >/dev/null || fail "no list of models"; }
  example "retrieve model" 200 "$API_URL/v1/models/gpt-image-1" -H "Authorization: Bearer $OPENAI_API_KEY"
}

distribute() {
  use distribute
  local sample='{
  "model": "Flux.1 [dev]",
  "prompt": "text",
  "seed": 927719,
  "style": "text",
  "guidance_scale": 5,
  "num_inference_steps": 10,
  "n": 1,
  "response_format": "url",
  "size": "768x768"
}'
  example "images create" 200 -X POST "$API_URL/async/images/create" \
    -H "authorization: $API_KEY" -H 'Content-Type: application/json' -H 'Accept: */*' -d "$sample" || return
  local id
  id=$(jq -r .id "$work/reply")
  until_true '.status == "COMPLETED" or .status == "ERROR"' -X POST "$API_URL/async/images/result" \
    -H "authorization: $API_KEY" -H 'Content-Type: application/json' -H 'Accept: */*' -d "{
  \"id\": \"$id\"
}" && pictures 768x768 1 png '.results[].url'
  example "generations" 200 -X POST "$API_URL/distribute/v1/images/generations" \
    -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' -d "$sample" && pictures 768x768 1 png '.data[].url'
}

# modelslab_example NAME PATH SIZE sends an example of the vendor's documentation and waits for its picture.
modelslab_example() {
  local body id
  body=$(jq --arg key "$API_KEY" --rawfile picture "$work/otter.base64" --rawfile mask "$work/mask.base64" '
    .key = $key
    | if .init_image then .init_image = "data:image/png;base64," + $picture else . end
    | if .mask_image then .mask_image = "data:image/png;base64," + $mask else . end' \
    "coordinator/dialect/modelslab/testdata/$1.json")
  printf %s "$body" >"$work/body"
  example "$1" 200 -X POST "$API_URL$2" -H 'Content-Type: application/json' -d "@$work/body" || return
  if jq -e '.status == "processing"' "$work/reply" >/dev/null; then
    id=$(jq -r .id "$work/reply")
    until_true '.status != "processing"' -X POST "$API_URL${2%/*}/fetch/$id" -H 'Content-Type: application/json' -d "{\"key\":\"$API_KEY\"}" || return
  fi
  pictures "$3" 1 png '.output[]'
}

modelslab() {
  use modelslab
  start_pictures || return
  base64 <"$work/otter.png" | tr -d '\n' >"$work/otter.base64"
  base64 <"$work/mask.png" | tr -d '\n' >"$work/mask.base64"
  modelslab_example enterprise-text2img /api/v1/enterprise/text2img 512x512
  modelslab_example enterprise-img2img /api/v1/enterprise/img2img 1024x1024 # the size of the picture
  modelslab_example enterprise-inpaint /api/v1/enterprise/inpaint 512x512
  modelslab_example v6-text2img /api/v6/images/text2img 512x512
  modelslab_example v6-img2img /api/v6/images/img2img 1024x1024
  modelslab_example v6-inpaint /api/v6/images/inpaint 512x512
  modelslab_example realtime-text2img /api/v6/realtime/text2img 512x512
  local path
  for path in system_details get_all_models schedulers_list; do
    example "$path" 200 -X POST "$API_URL/api/v1/enterprise/$path" -H 'Content-Type: application/json' -d "{ \"key\": \"$API_KEY\" }"
  done
}

nebulablock() {
  use nebulablock
  example "text to image" 200 -X GET "$API_URL/api/v1/images/generation" \
    -H "Authorization: Bearer $API_KEY" \
    -H 'Content-Type: application/json' \
    -d '{
    "model": "stabilityai/stable-diffusion-xl-base-1.0",
    "prompt": "insert your prompt here",
    "num_steps": 25,
    "guidance_scale": 9,
    "width": 1024,
    "height": 1024,
    "negative_prompt": null
}' && pictures 1024x1024 1 png '.data[].b64_json'
  example "text to image, of the models' page" 200 -X POST "$API_URL/api/v1/images/generation" \
    -H "Content-Type: application/json" \
    -H "Authorization: Bearer $API_KEY" \
    --data-raw '{
      "model":"stabilityai/stable-diffusion-xl-base-1.0",
      "prompt":"a flying cat",
      "num_steps":25,
      "guidance_scale":9,
      "negative_prompt":null,
      "width":1024,
      "height":1024
    }' && pictures 1024x1024 1 png '.data[].b64_json'
  start_pictures || return
  cat >"$work/body" <<BODY
{
    "model":"black-forest-labs/FLUX.1-Fill-dev",
    "prompt": "a red baseball cap",
    "num_steps": 40,
    "guidance_scale": 4.5,
    "width": 1024,
    "height": 1024,
    "image": "$(base64 <"$work/otter.png" | tr -d '\n')", 
    "mask": "$(base64 <"$work/mask.png" | tr -d '\n')"
}
BODY
  example "image to image" 200 -X POST "$API_URL/api/v1/images/generation" \
    -H "Content-Type: application/json" \
    -H "Authorization: Bearer $API_KEY" \
    --data-binary "@$work/body" && pictures 1024x1024 1 png '.data[].b64_json'
  example "models" 200 -X GET "$API_URL/api/v1/serverless/models" -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' &&
    { jq -e '.status == "success" and (.data.models | length > 0)' "$work/reply" >/dev/null || fail "no list of models"; }
}

deepfellow() {
  use deepfellow
  example "create image" 200 -X POST "$API_URL/deepfellow/v1/images/generations" \
    -H "Authorization: Bearer $API_KEY" \
    -H "OpenAI-Organization: 5eb7cf5a86d9755df3a6c593" \
    -H "OpenAI-Project: 5eb7cf5a86d9755df3a6c593" \
    -H "Content-Type: application/json" \
    -d '{
"model": "random",
"prompt": "Black Swan",
"size": "1024x1024"
}' && pictures 1024x1024 1 png '.data[].b64_json'
}

yescale() {
  use yescale
  example "create image" 200 --location --request POST "$API_URL/yescale/v1/images/generations" \
    --header "Authorization: Bearer $API_KEY" \
    --header 'Content-Type: application/json' \
    --data-raw '{
  "model": "flux-pro",
  "prompt": "a beautiful landscape with a river and mountains",
  "size": "1024x1024",
  "n": 1
}' && pictures 1024x1024 1 png '.data[].url'
  example "submit task" 200 -X POST "$API_URL/yescale/task/submit" \
    -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' \
    -d '{"model":"gpt-image","task_type":"generate","prompt":"a red circle","config":{"size":"1024x1536","quality":"low","background":"opaque"}}' || return
  local id
  id=$(jq -r .task_id "$work/reply")
  until_true '.status != "PROCESSING"' "$API_URL/yescale/task/$id" -H "Authorization: Bearer $API_KEY" &&
    pictures 1024x1536 1 png '.task_result.images[].url'
}

for vendor in "$@"; do
  case $vendor in
    openai | distribute | modelslab | nebulablock | deepfellow | yescale) "$vendor" ;;
    *) echo "scripts/clients/curl.sh knows no vendor $vendor" >&2; exit 2 ;;
  esac
done
[ $faults -eq 0 ] || { echo "$faults examples failed" >&2; exit 1; }
echo "all examples gave what they should"
