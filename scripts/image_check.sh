#!/bin/sh
# What the Dockerfile does, step by step, in a new folder and without a container runtime; then the service is started
# from there and asked: without torch, without a network where one can be taken away, with keys, its models and programs
# write-protected (which binds everyone but root). The container's own walls are not tried. Takes minutes and 3 GB.
#   sh scripts/image_check.sh [FOLDER]        TORCH_INDEX=... as in the Dockerfile; empty for pip's own
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
"$work/venv/bin/pip" install --quiet '.[html,pdf]'
PINCITE_CACHE="$work/models" "$work/venv/bin/pincite" models prepare
"$work/venv/bin/pip" uninstall --quiet --yes torch sentence-transformers transformers
rm -rf "$work/src"

# From here on as in the container.
cd "$work"
chmod -R a-w models venv
export PYTHONDONTWRITEBYTECODE=1 PINCITE_CACHE="$work/models" PINCITE_STORE="$work/store/pincite" HF_HUB_OFFLINE=1
offline=""
if unshare --net --map-root-user true 2>/dev/null; then offline="unshare --net --map-root-user"; fi
$offline "$work/venv/bin/pincite" index seeds
key=$("$work/venv/bin/pincite" keys create --name check --scope ask)
# shellcheck disable=SC2016
$offline sh -c '
  { command -v ip >/dev/null && ip link set lo up; } 2>/dev/null || true
  "$0" serve --host 0.0.0.0 --port 8123 2>serve.log & service=$!
  trap "kill $service; wait $service" EXIT
  "$1" - "$2" <<END
import json, sys, time, urllib.error, urllib.request
url, key = "http://127.0.0.1:8123", sys.argv[1]
for _ in range(300):
    try:
        urllib.request.urlopen(url + "/readyz", timeout=5)
        break
    except OSError:
        time.sleep(0.2)
body = json.dumps({"question": "In which city is the Regional Anti-Terrorist Structure?"}).encode()
headers = {"content-type": "application/json", "authorization": "Bearer " + key}
reply = json.load(urllib.request.urlopen(urllib.request.Request(url + "/v1/ask", body, headers), timeout=60))
print("asked:", [passage["source"] for passage in reply["passages"][:1]], reply["answer"])
END
' "$work/venv/bin/pincite" "$work/venv/bin/python" "$key"
echo "fine${offline:+, without a network}"
