# shellcheck shell=bash
# Verbs for deploy/scripts/compose-smoke: waiting with a deadline, asking /health, looking at containers from outside.
# Knows no step of the run.

# What compose-smoke says, for shellcheck's sake.
: "${project=}" "${REDIS_IMAGE=}" "${COORDINATOR_PORT=}"
began=$(date +%s)
work=$(mktemp -d)
steps=0 failures=0 down=no

clock() { printf '%4d s' $(($(date +%s) - began)); }
step() { steps=$((steps + 1)); printf '\n%s  == %s\n' "$(clock)" "$*"; }
ok() { printf '%s  ok    %s\n' "$(clock)" "$*"; }
note() { printf '%s        %s\n' "$(clock)" "$*"; }
fail() { printf '%s  FAIL  %s\n' "$(clock)" "$*"; failures=$((failures + 1)); }
# What makes it senseless to go on.
abort() { fail "$*"; exit 1; }
check() { # what holds, command ...
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then ok "$what"; else fail "$what: not so"; fi
}
within() { # seconds, what comes to hold, command ...
    local seconds=$1 what=$2
    shift 2
    if eventually "$seconds" "$@"; then ok "$what"; else fail "$what: not within $seconds s"; return 0; fi
}

now_ms() { printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }
since() { awk -v from="$1" -v to="$(now_ms)" 'BEGIN { printf "%.1f s", (to - from) / 1000 }'; }

# Asks again until it is so; whoever calls says what it means that it never was.
eventually() { # seconds, command ...
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

free_port() {
    local port
    for _ in $(seq 50); do
        port=$((20000 + RANDOM % 20000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then printf '%s' "$port"; return 0; fi
    done
    return 1
}

# Containers.

containers() { # service ...: the running ones; of all services without an argument
    local service
    if [ $# -eq 0 ]; then docker ps -q --filter "label=com.docker.compose.project=$project"; return 0; fi
    for service in "$@"; do
        docker ps -q --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$service"
    done
}
container() { containers "$1" | head -n 1; }
has_one() { [ -n "$(container "$1")" ]; }
asks() { docker inspect --format "$2" "$1"; } # container, template
called() { asks "$1" '{{index .Config.Labels "com.docker.compose.service"}}'; }
pid() { asks "$1" '{{.State.Pid}}'; }
restarts() { asks "$1" '{{.RestartCount}}'; }
# A shell that sees the processes of the machine on which the containers run, and may end them: no root needed here.
from_host() { # command
    docker run --rm --network none --pid host --user 0 --cap-drop ALL --cap-add KILL --cap-add SYS_PTRACE \
        --entrypoint sh "$REDIS_IMAGE" -c "$1"
}
redis() { timeout 30 docker exec "$(container redis)" redis-cli --no-auth-warning "$@"; }
# Subscribes until the container ends or the time is over, into a file.
subscribe() { # channel, file
    docker exec "$(container redis)" timeout 1800 redis-cli SUBSCRIBE "$1" >"$2" 2>&1 &
    eventually 20 grep -q '^subscribe$' "$2" || abort "could not subscribe to $1"
}
logs_of() { # service
    local id
    for id in $(docker ps -aq --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1"); do
        printf -- '---- last lines of %s (%s)\n' "$1" "$id"
        docker logs --tail 40 "$id" 2>&1
    done
}

# Health.

health() { # prints the status; the answer's body goes to $work/health
    curl -s -o "$work/health" -w '%{http_code}' --max-time 3 "http://127.0.0.1:$COORDINATOR_PORT/health" || true
}
health_is() { [ "$(health)" = "$1" ]; }
health_is_not() { ! health_is "$1"; }
reasons() { # of the last answer, on one line
    jq -r '[(.services // {} | to_entries[] | select(.value.healthy | not) | "\(.key): \(.value.reason // "not healthy")"),
            (.reasons // {} | to_entries[] | "\(.key): \(.value)")] | join("; ")' "$work/health" 2>/dev/null || true
}
replicas() { # service, as the coordinator counts them
    health >/dev/null
    jq -r ".services[\"$1\"].replicas // 0" "$work/health" 2>/dev/null
}
replicas_are() { [ "$(replicas "$1")" = "$2" ]; }

kill_first() { # container: its process 1, if it runs
    local first
    first=$(pid "$1")
    [ "${first:-0}" -gt 0 ] && from_host "kill -9 $first"
}

# Kills process 1 of a service's container, and follows what becomes of it.
kill_one() { # service, what /health must say meanwhile: 503, or `any`; `again`: 503, killed as often as that takes, for who
    # is back before the coordinator looks again, a second later, was not missed by anybody
    local service=$1 meanwhile=$2 id before from deadline seen='' reason='' kills=1 said=503 missed=(health_is 503)
    if [ "$meanwhile" = any ]; then said="not 200" missed=(health_is_not 200); fi
    id=$(container "$service")
    before=$(restarts "$id")
    from=$(now_ms)
    kill_first "$id" || { fail "$service: its process could not be killed"; return 0; }
    deadline=$((SECONDS + 60))
    while [ "$SECONDS" -lt "$deadline" ]; do
        if [ -z "$seen" ] && "${missed[@]}"; then seen=$(since "$from") reason=$(reasons); fi
        if [ "$(restarts "$id")" -gt "$before" ] && { [ "$meanwhile" = any ] || [ -n "$seen" ]; }; then break; fi
        if [ "$meanwhile" = again ] && [ "$(restarts "$id")" -ge $((before + kills)) ] && kill_first "$id" 2>/dev/null; then
            kills=$((kills + 1))
        fi
        sleep 0.1
    done
    if [ "$(restarts "$id")" -le "$before" ]; then fail "$service: its container did not come back"; logs_of "$service"; return 0; fi
    if [ "$meanwhile" != any ] && [ -z "$seen" ]; then fail "$service: /health never said 503"; logs_of coordinator; return 0; fi
    if ! eventually 120 health_is 200; then
        fail "$service: /health is not 200 again after 120 s: $(reasons)"; logs_of "$service"; return 0
    fi
    if [ "$kills" -gt 1 ]; then note "$service: was back sooner than the coordinator looks, and killed $kills times in all"; fi
    ok "$service: killed, restarted by its policy; /health ${seen:+$said after $seen${reason:+ ($reason)}, }200 after $(since "$from")"
}

# Takes everything down that this run has started, whatever happened.
finish() {
    local status=$? service
    trap - EXIT INT TERM ERR
    set +e
    if [ "$down" = no ] && [ -n "$(docker ps -aq --filter "label=com.docker.compose.project=$project")" ]; then
        if [ "$status" -ne 0 ] || [ "$failures" -ne 0 ]; then
            docker ps -a --filter "label=com.docker.compose.project=$project" --format '{{.Names}}: {{.Status}}'
            for service in redis liquidation-ingest oi-detector cascade-signals alert-dispatcher coordinator simulator; do logs_of "$service"; done
        fi
        note "taking project $project down, volumes included"
        compose down --volumes --remove-orphans --timeout 20 >"$work/down.log" 2>&1 || cat "$work/down.log"
    fi
    jobs -p | xargs -r kill 2>/dev/null
    rm -rf "$work"
    if [ "$status" -eq 0 ] && [ "$failures" -eq 0 ] && [ "$down" = yes ]; then
        printf '\n%s  compose-smoke: PASSED, %d steps\n' "$(clock)" "$steps"
        exit 0
    fi
    printf '\n%s  compose-smoke: FAILED, %d of its checks, in %d steps\n' "$(clock)" "$failures" "$steps"
    exit 1
}
