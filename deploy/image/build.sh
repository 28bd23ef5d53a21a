#!/usr/bin/env bash
# Builds the image with whichever container engine is here. Everything is an environment variable; see usage.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  cat <<'USAGE'
usage: deploy/image/build.sh [--help] [--check]

  IMAGE        name of the image                         bertmesh
  VERSION      its tag, and its label                    the version in pyproject.toml
  VARIANT      cpu or cuda (cuda gets the tag suffix)    cpu
  TARGET       full (with models) or bare (without)      full
  MODELS       folder of the models, in this tree        models
  TORCH_INDEX  package index with torch for the variant  needed for cpu: PyTorch's CPU index
  EXTRAS       extras of pyproject.toml                  cluster,s3,train
  BASE         base image                                python:3.11-slim-bookworm
  BASE_DIGEST  @sha256:... of the base                   looked up and printed
  ENGINE       docker, podman or buildah                 the first that is here and works
  PUSH         1 pushes the image afterwards             0

--check says which engine would be used, and builds nothing.
USAGE
}

fail() {
  printf 'cannot build the image: %s\n' "$1" >&2
  exit 2
}

works() {
  case $1 in
    docker) command -v docker >/dev/null && docker info >/dev/null 2>&1 ;;
    podman) command -v podman >/dev/null && podman info >/dev/null 2>&1 ;;
    buildah) command -v buildah >/dev/null ;;
    *) return 1 ;;
  esac
}

find_engine() {
  local each
  for each in ${ENGINE:-docker podman buildah}; do
    if works "$each"; then
      printf '%s' "$each"
      return
    fi
  done
  if command -v docker >/dev/null; then
    fail "docker is here, but its daemon does not answer: start it, or install podman or buildah"
  fi
  fail "no container engine is here: install docker, podman or buildah, or build where one is"
}

# Prints @sha256:... of an image, or nothing if the engine cannot say.
digest_of() {
  local named
  case $1 in
    buildah) return ;;
  esac
  "$1" pull --quiet "$2" >/dev/null || return 0
  named=$("$1" image inspect --format '{{index .RepoDigests 0}}' "$2" 2>/dev/null) || return 0
  printf '@%s' "${named#*@}"
}

case ${1:-} in
  --help | -h)
    usage
    exit 0
    ;;
esac

VARIANT=${VARIANT:-cpu}
TARGET=${TARGET:-full}
BASE=${BASE:-python:3.11-slim-bookworm}
VERSION=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -n 1)}
case $VARIANT in
  cpu) tag=$VERSION ;;
  cuda) tag=$VERSION-cuda ;;
  *) fail "VARIANT is '$VARIANT': use cpu or cuda" ;;
esac
case $TARGET in
  full | bare) ;;
  *) fail "TARGET is '$TARGET': use full or bare" ;;
esac
[ "$TARGET" = bare ] || [ -d "${MODELS:-models}" ] || fail "there is no folder '${MODELS:-models}': set MODELS, or TARGET=bare"
engine=$(find_engine) || exit 2
name=${IMAGE:-bertmesh}:$tag
printf 'building %s (%s, %s) with %s\n' "$name" "$VARIANT" "$TARGET" "$engine"
if [ "${1:-}" = --check ]; then
  exit 0
fi
if [ "$VARIANT" = cpu ] && [ -z "${TORCH_INDEX:-}" ]; then
  fail "TORCH_INDEX is not set: the default index has torch with CUDA (3 GB more). Set it to PyTorch's CPU index, whose address is on PyTorch's installation page, or to your mirror of it"
fi

BASE_DIGEST=${BASE_DIGEST-$(digest_of "$engine" "$BASE")}
if [ -n "$BASE_DIGEST" ]; then
  printf 'base: %s%s\n' "$BASE" "$BASE_DIGEST"
else
  printf 'base: %s, not pinned: set BASE_DIGEST=@sha256:... to build the same again\n' "$BASE"
fi
REVISION=$(git rev-parse HEAD 2>/dev/null || printf unknown)
CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)
arguments=(
  --build-arg "VARIANT=$VARIANT"
  --build-arg "BASE=$BASE"
  --build-arg "BASE_DIGEST=$BASE_DIGEST"
  --build-arg "VERSION=$VERSION"
  --build-arg "REVISION=$REVISION"
  --build-arg "CREATED=$CREATED"
)
for each in TORCH_INDEX EXTRAS MODELS; do
  [ -z "${!each:-}" ] || arguments+=(--build-arg "$each=${!each}")
done
case $engine in
  docker) DOCKER_BUILDKIT=1 docker build --target "$TARGET" "${arguments[@]}" --tag "$name" . ;;
  podman) podman build --format docker --target "$TARGET" "${arguments[@]}" --tag "$name" . ;;
  buildah) buildah bud --format docker --target "$TARGET" "${arguments[@]}" --tag "$name" . ;;
esac
if [ "${PUSH:-0}" = 1 ]; then
  "$engine" push "$name"
fi
printf 'built %s\n' "$name"
