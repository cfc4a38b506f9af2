#!/bin/sh
# The expense example by curl: ana starts it, bob of finance decides, and the result is awaited.
#
#     examples/curl.sh [FILE.csv] [approve|reject]
#
# Needs a running Countersign (./run) and python3. Tokens are made with ./run manage unless ANA_TOKEN and BOB_TOKEN
# hold some; COUNTERSIGN_PUBLIC_URL is the address when it is not http://127.0.0.1:8000.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
file=${1:-$here/samples/expense.csv}
outcome=${2:-approve}
api=${COUNTERSIGN_PUBLIC_URL:-http://127.0.0.1:8000}/api
id=expense-$(date +%s)-$$

token() { # user scope...: a new token
    user=$1
    shift
    for scope in "$@"; do set -- "$@" --scope "$scope" && shift; done
    "$here/../run" manage token create "$user" "$@"
}

call() { # token path [body]: the answer's JSON; an error's document goes to stderr
    authorization="Authorization: Bearer $1"
    path=$2
    shift 2
    [ $# -eq 0 ] || set -- --header "Content-Type: application/json" --data-binary "$1"
    curl --silent --show-error --fail-with-body --header "$authorization" "$@" "$api/$path" || {
        status=$?
        echo "$path was refused." >&2
        return $status
    }
}

json() { # a Python expression over the document `d` on stdin, and the arguments `a`
    expression=$1
    shift
    python3 -c "import json, sys; a = sys.argv[1:]; d = json.load(sys.stdin); print($expression)" "$@"
}

ana=${ANA_TOKEN:-$(token ana executions:start executions:read)}
bob=${BOB_TOKEN:-$(token bob approvals:read approvals:decide)}

echo "ana starts $id with $file"
body=$(python3 -c 'import json, pathlib, sys
print(json.dumps({"workflow": "expense", "id": sys.argv[1],
                  "kwargs": {"claimant": "ana", "csv": pathlib.Path(sys.argv[2]).read_text("utf-8")}}))' "$id" "$file")
call "$ana" executions/ "$body" >/dev/null

# Finished within seconds, or waiting for somebody.
state=$(call "$ana" "executions/$id/?wait=3s" | json 'd["state"]')
if [ "$state" = pending ]; then
    request=$(call "$bob" "approvals/?for=me&state=pending" |
        json 'next(r["id"] for r in d["results"] if r["execution_id"] == a[0])' "$id")
    echo "bob is asked: $(call "$bob" "approvals/$request/" | json 'd["title"]')"
    echo "bob decides: $outcome"
    call "$bob" "approvals/$request/decisions/" "{\"outcome\": \"$outcome\", \"comment\": \"by curl\"}" >/dev/null
fi
call "$ana" "executions/$id/?wait=30s" | json 'json.dumps(d["value"], indent=2)'
