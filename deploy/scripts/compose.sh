# shellcheck shell=bash
# Read by the scripts beside it: where the repository is, which Compose there is, which images are used. Starts nothing.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
name=$(basename "$0")
project='' compose_file='' env_file='' within_s=''

say() { printf '%s: %s\n' "$name" "$*" >&2; }
die() { say "$*"; exit 1; }
wrong() { say "$* (--help says more)"; exit 2; }

# The value of a variable: the environment's, else the one in `.env`, as Compose takes it.
setting() { # name, default
    local value=${!1-}
    local file=${env_file:-$root/.env}
    if [ -z "$value" ] && [ -f "$file" ]; then
        value=$(sed -n "s/^$1=//p" "$file" | tail -n 1 | sed -e 's/^"\(.*\)"$/\1/' -e "s/^'\(.*\)'\$/\1/")
    fi
    printf '%s' "${value:-${2-}}"
}

find_compose() {
    command -v docker >/dev/null 2>&1 || die "missing: docker. https://docs.docker.com/engine/install, or apt-get install docker.io docker-compose"
    docker info >/dev/null 2>&1 || die "docker does not answer: is the daemon running, and may you use it?"
    if docker compose version >/dev/null 2>&1; then
        compose_program=(docker compose)
    elif command -v docker-compose >/dev/null 2>&1; then
        compose_program=(docker-compose)
    else
        die "missing: Docker Compose (v2, or docker-compose 1.29)"
    fi
}

# Compose as it works on a project of this repository. The files are Compose's own choice (compose.yaml, and
# compose.override.yaml if it is there) and `.env`, unless `compose_file` and `env_file` name others;
# `within_s` gives it so many seconds.
compose() {
    (cd "$root" && ${within_s:+timeout "$within_s"} "${compose_program[@]}" -p "$project" ${compose_file:+-f "$compose_file"} \
        ${env_file:+--env-file "$env_file"} "$@")
}

# What a plain `docker compose up` here would call it.
default_project() {
    local base
    base=$(basename "$root" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-')
    setting COMPOSE_PROJECT_NAME "${base:-cascade}"
}

running() { [ -n "$(docker ps -aq --filter "label=com.docker.compose.project=$1")" ]; } # project

add_profile() { # one more than those that are on
    COMPOSE_PROFILES=$(setting COMPOSE_PROFILES)
    case ",$COMPOSE_PROFILES," in
        *",$1,"*) ;;
        *) COMPOSE_PROFILES=${COMPOSE_PROFILES:+$COMPOSE_PROFILES,}$1 ;;
    esac
    export COMPOSE_PROFILES
}

# Exports one image's variable: what the user says; else the usual one, if it is here or can be pulled; else the one that
# deploy/scripts/bootstrap-images has made.
choose_image() { # variable, the usual image
    local own
    [ -z "$(setting "$1")" ] || return 0
    if docker image inspect "$2" >/dev/null 2>&1; then return 0; fi
    own=$("$root/deploy/scripts/bootstrap-images" --print-env | sed -n "s/^$1=//p")
    if docker image inspect "$own" >/dev/null 2>&1; then
        export "$1=$own"
    elif timeout 300 docker pull --quiet "$2" >/dev/null 2>&1; then
        say "pulled $2"
    else
        return 1
    fi
}

# The usual images, as the Compose file and the Dockerfile name them.
usual() { # variable
    sed -n "s/.*\${$1:-\([^}]*\)}.*/\1/p" "$root/docker-compose.monitoring.yml" | head -n 1
}

choose_images() { # variables
    local variable
    for variable in "$@"; do
        choose_image "$variable" "$(usual "$variable")" \
            || die "$(usual "$variable") can't be pulled. Where no registry is reachable: sudo -E deploy/scripts/bootstrap-images, then this again"
    done
}

# What an image says of where it is from; from git, where this is a clone.
export_provenance() {
    export CASCADE_VERSION CASCADE_REVISION CASCADE_CREATED CASCADE_SOURCE
    CASCADE_REVISION=$(git -C "$root" describe --always --abbrev=40 --dirty --exclude='*' 2>/dev/null || echo unknown)
    # v0.2.0 is 0.2.0, three commits later 0.2.0-3-gABC; before the first tag the workspace's version and the commit.
    CASCADE_VERSION=$(git -C "$root" describe --tags --match 'v[0-9]*' --dirty 2>/dev/null | sed 's/^v//' || true)
    if [ -z "$CASCADE_VERSION" ]; then
        CASCADE_VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)+$(printf %.12s "$CASCADE_REVISION")
    fi
    CASCADE_CREATED=$(TZ=UTC git -C "$root" log -1 --date=iso-strict-local --format=%cd 2>/dev/null || echo 1970-01-01T00:00:00Z)
    CASCADE_SOURCE=$(git -C "$root" config --get remote.origin.url 2>/dev/null | sed 's#//[^/@]*@#//#' || true)
}

image() { printf '%s:%s' "$(setting CASCADE_IMAGE cascade)" "$(setting CASCADE_TAG 0.1.0)"; }

# Where it is written down what was started, one line each: time, tag, profiles.
record() { printf '%s/cascade/%s.started' "${XDG_STATE_HOME:-$HOME/.local/state}" "$(default_project)"; }
