# One image for the pod, the controller, the console, the doctor and training: what differs is the command.
#
#   make image                      # the CPU variant with the shipped models
#   deploy/image/build.sh --help    # variants, targets, pinned base
#
# Targets: `full` (the default: with models) and `bare` (without: models come from a volume or a hub).

# The Python that the tests run on. BASE_DIGEST is `@sha256:...` of that image; build.sh looks it up and passes it.
ARG BASE=python:3.11-slim-bookworm
ARG BASE_DIGEST=
# cpu or cuda: which wheels of torch, and which environment the image runs in.
ARG VARIANT=cpu
ARG VERSION=0.1.0

# ---------------------------------------------------------------------------------------------------------------
FROM ${BASE}${BASE_DIGEST} AS build
ARG VARIANT
# The package index with torch's wheels for the variant. The default index has those with CUDA.
ARG TORCH_INDEX=
# Extras of pyproject.toml: `cluster` is the controller, `train` brings torch.
ARG EXTRAS=cluster,s3,train
ARG VERSION
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/venv
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
# torch first and alone: it is large, and the only package that comes from another index.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/venv/bin/python install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} \
      "$(grep -E '^torch==' constraints.txt)"
RUN /opt/venv/bin/python -c "import sys, torch; found = 'cuda' if torch.version.cuda else 'cpu'; sys.exit(0 if found == '${VARIANT}' else f'torch is built for {found} and VARIANT is ${VARIANT}: set TORCH_INDEX to the index with torch for ${VARIANT}')"
# Then what else is pinned, so that a change of our code does not install it again.
COPY deploy/image/dependencies.py deploy/image/
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/image/dependencies.py pyproject.toml "${EXTRAS}" > requirements.txt \
    && python -m pip --python /opt/venv/bin/python install -c constraints.txt -r requirements.txt
COPY bertmesh bertmesh
COPY canary canary
COPY doctor doctor
COPY mesh mesh
COPY modelstore modelstore
COPY observability observability
COPY service service
COPY training training
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/venv/bin/python install --no-deps .
# What is in the image, as CycloneDX: for scanners that cannot ask pip.
COPY deploy/image/sbom.py deploy/image/
RUN /opt/venv/bin/python deploy/image/sbom.py bertmesh "${VERSION}" > /opt/sbom.cdx.json

# ---------------------------------------------------------------------------------------------------------------
FROM ${BASE}${BASE_DIGEST} AS runtime-cpu

FROM ${BASE}${BASE_DIGEST} AS runtime-cuda
# torch's wheels bring CUDA's libraries; the driver comes from the node.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

# ---------------------------------------------------------------------------------------------------------------
FROM runtime-${VARIANT} AS bare
ARG BASE
ARG BASE_DIGEST
ARG VARIANT
ARG VERSION
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
# No compilers are in the slim base; pip and setuptools are not needed to run.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore setuptools wheel pip \
    && groupadd --gid 10001 bertmesh \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin bertmesh
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/sbom.cdx.json /opt/bertmesh/sbom.cdx.json
COPY deploy/image/healthcheck.py /opt/bertmesh/healthcheck.py
# Nothing is written outside /tmp and /cache, so the root filesystem may be read-only.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/.cache \
    HF_HOME=/tmp/huggingface \
    BERTMESH_BIND=0.0.0.0:8000 \
    BERTMESH_MODELS_DIR=/opt/bertmesh/models \
    BERTMESH_CACHE_DIR=/tmp/bertmesh/models
WORKDIR /tmp
# A number, so that runAsNonRoot can be checked without the image's /etc/passwd.
USER 10001:10001
# Requests, admin, gRPC, metrics of the controller, console.
EXPOSE 8000 8001 9000 9090 8090
# Kubernetes has its own probes. For other commands than the pod's: BERTMESH_HEALTH_URL, or --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["python", "/opt/bertmesh/healthcheck.py"]
CMD ["python", "-m", "gunicorn", "-c", "python:service.server.gunicorn_conf", "service.api.app:create_app()"]
LABEL org.opencontainers.image.title="bertmesh" \
      org.opencontainers.image.description="Chinese BERT models behind a service mesh; canaries move as fast as the evidence allows" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}" \
      dev.bertmesh.variant="${VARIANT}" \
      dev.bertmesh.sbom="/opt/bertmesh/sbom.cdx.json"

# ---------------------------------------------------------------------------------------------------------------
FROM bare AS full
# A folder with name/version folders, inside the build's context.
ARG MODELS=models
COPY ${MODELS} /opt/bertmesh/models
