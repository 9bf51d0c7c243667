#!/bin/sh
# What the Dockerfile does, step by step, in a new folder and without a container runtime; then the service is started
# from there and asked: without torch, without a network where one can be taken away, with keys. Nothing may have been
# written to its programs and models. The container's own walls are not tried. Takes minutes and 3 GB.
#   sh scripts/image_check.sh [FOLDER]        TORCH_INDEX=... as in the Dockerfile; empty for pip's own. PORT=8123
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work/src" "$work/store"
echo "in $work"
cd "$here"
cp -r pyproject.toml README.md LICENSE index rag api "$work/src"
cp -r seeds "$work/seeds"

python3 -m venv "$work/venv"
cd "$work/src"
if [ -n "${TORCH_INDEX-}" ]; then "$work/venv/bin/pip" install --quiet --index-url "$TORCH_INDEX" torch==2.13.0; fi
"$work/venv/bin/pip" install --quiet '.[html,pdf,mcp]'
PINCITE_CACHE="$work/models" PINCITE_PRECISION=int8 "$work/venv/bin/pincite" models prepare
"$work/venv/bin/pip" uninstall --quiet --yes torch sentence-transformers transformers nncf
rm -rf "$work/src"

# From here on as in the container.
cd "$work"
chmod -R a-w models venv
touch begun # write protection does not bind root, so it is looked afterwards too
export PYTHONDONTWRITEBYTECODE=1 PINCITE_CACHE="$work/models" PINCITE_STORE="$work/store/pincite" HF_HUB_OFFLINE=1
offline=""
if unshare --net --map-root-user true 2>/dev/null; then offline="unshare --net --map-root-user"; fi
$offline "$work/venv/bin/pincite" index seeds
key=$("$work/venv/bin/pincite" keys create --name check --scope ask)
# shellcheck disable=SC2016
$offline sh -c '
  { command -v ip >/dev/null && ip link set lo up; } 2>/dev/null || true
  "$0" serve --host 0.0.0.0 --port "$3" 2>serve.log & service=$!
  trap "kill $service; wait $service" EXIT
  "$1" - "$2" "$3" <<END
import json, sys, time, urllib.error, urllib.request
key, url = sys.argv[1], "http://127.0.0.1:" + sys.argv[2]
for _ in range(300):
    try:
        urllib.request.urlopen(url + "/readyz", timeout=5)
        break
    except OSError:
        time.sleep(0.2)
headers = {"content-type": "application/json", "authorization": "Bearer " + key}
question = {"question": "In which city is the Regional Anti-Terrorist Structure?"}
call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ask", "arguments": question}}
def post(path, body, **more):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers | more)
    return json.load(urllib.request.urlopen(request, timeout=60))
reply = post("/v1/ask", question)
print("asked:", [passage["source"] for passage in reply["passages"][:1]], reply["answer"])
print("asked as an agent:", post("/mcp", call, accept="application/json, text/event-stream")["result"]["structuredContent"]["answer"])
END
' "$work/venv/bin/pincite" "$work/venv/bin/python" "$key" "${PORT:-8123}"
if find models venv -newer begun | grep .; then
  echo "these were written; in the container they cannot be" >&2
  exit 1
fi
echo "fine${offline:+, without a network}"
