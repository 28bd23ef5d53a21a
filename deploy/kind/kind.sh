#!/usr/bin/env bash
# The quickstart on kind: `kind.sh check | up | demo | down`. Each may be run again: what is there is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=deploy/kind
# shellcheck source=deploy/kind/versions.sh
. "$here/versions.sh"

CLUSTER=${CLUSTER:-bertmesh}
NAMESPACE=${NAMESPACE:-models}
RELEASE=${RELEASE:-bert}
URL=${URL:-http://127.0.0.1:8080}
HOST=${HOST:-bert.localhost}
CANARY=${CANARY:-1.1-reviews}
PATIENCE_S=${PATIENCE_S:-900}
TICK_S=${TICK_S:-2}
IMAGE=${IMAGE:-bertmesh:$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' helm/bertmesh/Chart.yaml)}
context=kind-$CLUSTER
missing=0

say() { printf '%s\n' "$*"; }

# lack WHAT HOW: tell what is missing and how to get it; all of it is told before anything is done.
lack() {
  printf '  missing: %s\n           %s\n' "$1" "$2" >&2
  missing=$((missing + 1))
}

# at_least SEEN LEAST: compare two versions by their numbers.
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The first thing in the input that looks like a version, without the v.
version_in() { sed -n 's/[^0-9]*\([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p' | head -n 1; }

# need TOOL LEAST HOW VERSION-COMMAND...: the tool is there and new enough.
need() {
  local tool=$1 least=$2 how=$3 seen
  shift 3
  if ! command -v "$tool" >/dev/null; then
    lack "$tool" "$how"
    return
  fi
  seen=$("$@" 2>/dev/null | version_in || true)
  if [ -z "$seen" ] || ! at_least "$seen" "$least"; then
    lack "$tool $least or newer (this is ${seen:-of an unknown version})" "$how"
  fi
}

check() {
  if ! command -v docker >/dev/null; then
    lack docker "install Docker Engine or Docker Desktop"
  elif ! docker info >/dev/null 2>&1; then
    lack "a running docker daemon" "start Docker; then \`docker info\` must answer"
  elif [ "${1:-}" = image ] && ! docker image inspect "$IMAGE" >/dev/null 2>&1; then
    lack "the image $IMAGE" "build it: TORCH_INDEX=... make image"
  fi
  need kind "$KIND_LEAST" "go install sigs.k8s.io/kind@latest, or a release of kubernetes-sigs/kind" kind version
  need kubectl "$KUBECTL_LEAST" "your package manager, or Kubernetes' documentation, 'Install Tools'" kubectl version --client
  need helm "$HELM_LEAST" "your package manager, or a release of helm/helm" helm version --short
  need istioctl "$ISTIO_VERSION" "a release of istio/istio, version $ISTIO_VERSION" istioctl version --remote=false
  command -v curl >/dev/null || lack curl "your package manager"
  if command -v istioctl >/dev/null && [ "$missing" = 0 ]; then
    local minor
    minor=$(istioctl version --remote=false 2>/dev/null | version_in)
    case $minor in
      "${ISTIO_VERSION%.*}".*) ;;
      *) lack "istioctl ${ISTIO_VERSION%.*} (this is $minor)" "a release of istio/istio, version $ISTIO_VERSION; or try yours: ISTIO_VERSION=$minor make kind-up" ;;
    esac
  fi
  if [ "$missing" -gt 0 ]; then
    say "kind quickstart: $missing thing(s) missing, nothing was changed" >&2
    exit 2
  fi
}

exists() { kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; }

k() { kubectl --context "$context" "$@"; }

release() {
  helm upgrade --install "$RELEASE" helm/bertmesh --kube-context "$context" --namespace "$NAMESPACE" \
    --create-namespace --values "$here/values.yaml" --wait --timeout 10m "$@"
}

up() {
  check image
  if exists; then
    say "1/5 the cluster $CLUSTER is there"
  else
    say "1/5 creating the cluster $CLUSTER"
    kind create cluster --name "$CLUSTER" --image "$NODE_IMAGE" --config "$here/cluster.yaml" --wait 180s
  fi
  say "2/5 loading $IMAGE"
  kind load docker-image "$IMAGE" --name "$CLUSTER"
  say "3/5 Istio $ISTIO_VERSION"
  istioctl install --context "$context" --filename "$here/istio.yaml" --skip-confirmation
  say "4/5 Jaeger and Prometheus"
  k apply --filename "$here/observability.yaml"
  k --namespace observability rollout status deployment/jaeger deployment/prometheus --timeout 300s
  say "5/5 the chart"
  k create namespace "$NAMESPACE" --dry-run=client --output yaml | k apply --filename -
  k label namespace "$NAMESPACE" istio-injection=enabled --overwrite
  release
  say ""
  say "It is up. Ask it:"
  say "  curl -H 'Host: $HOST' -H 'Content-Type: application/json' -d '{\"text\": \"这家酒店的服[MASK]很好。\"}' $URL/fill-mask"
  say "A canary under traffic:  make kind-demo"
  say "Traces:                  kubectl --context $context -n observability port-forward svc/jaeger 16686:80"
  say "The rollout console:     kubectl --context $context -n $NAMESPACE port-forward deploy/$RELEASE-console 8090"
}

# Requests with texts that are all different, since what the cache answers is no evidence.
requests() {
  local number
  for number in $(seq 1 200); do
    [ "$number" = 1 ] || printf 'next\n'
    printf 'url = "%s/fill-mask"\nheader = "Host: %s"\nheader = "Content-Type: application/json"\n' "$URL" "$HOST"
    printf 'data = "{\\"text\\": \\"第%s间房的服[MASK]很好。\\"}"\noutput = "/dev/null"\nsilent\n' "$RANDOM$RANDOM"
  done
}

traffic() {
  while true; do
    requests | curl --config - || sleep 1
  done
}

rollout_field() { k --namespace "$NAMESPACE" get modelrollout "$RELEASE" --output "jsonpath={$1}" 2>/dev/null || true; }

# The controller has read the present wish; before that, the status is about an older one.
noticed() { [ "$(rollout_field .status.observedGeneration)" = "$(rollout_field .metadata.generation)" ]; }

demo() {
  check
  if ! exists; then
    say "there is no cluster $CLUSTER: make kind-up first" >&2
    exit 2
  fi
  local workers=() line began phase told=""
  for _ in 1 2 3 4; do
    traffic &
    workers+=($!)
  done
  # shellcheck disable=SC2064 # the list is complete now
  trap "kill ${workers[*]} 2>/dev/null || true" EXIT
  say "traffic flows; the canary is $CANARY"
  release --set-string "rollout.canary=$CANARY"
  began=$SECONDS
  while [ $((SECONDS - began)) -lt "$PATIENCE_S" ]; do
    phase=""
    if noticed; then
      phase=$(rollout_field .status.phase)
    fi
    line="${phase:-Pending}, canary at $(rollout_field .status.weight) %: $(rollout_field .status.message)"
    if [ "$line" != "$told" ]; then
      say "$((SECONDS - began)) s  $line"
      told=$line
    fi
    case $phase in
      Promoted)
        say "promoted. From now on it is the stable one: rollout.stable=$CANARY, and no rollout.canary"
        return
        ;;
      RolledBack | Failed)
        say "the canary was taken back" >&2
        exit 1
        ;;
    esac
    sleep "$TICK_S"
  done
  say "no end after $PATIENCE_S s; look on: kubectl --context $context -n $NAMESPACE get modelrollout $RELEASE -w" >&2
  exit 1
}

down() {
  if ! command -v kind >/dev/null; then
    lack kind "it made the cluster, and it removes it"
    exit 2
  fi
  if exists; then
    kind delete cluster --name "$CLUSTER"
  else
    say "there is no cluster $CLUSTER: nothing to do"
  fi
}

case ${1:-} in
  check) check && say "all tools are here" ;;
  up | demo | down) "$1" ;;
  *)
    say "usage: deploy/kind/kind.sh check | up | demo | down" >&2
    exit 2
    ;;
esac
