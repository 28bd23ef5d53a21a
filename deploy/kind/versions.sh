# What the quickstart is made for. kind.sh reads this file; everything may be set in the environment instead.
# shellcheck shell=bash disable=SC2034 # read by kind.sh

# Least versions of the tools; istioctl must be of this minor version, because it installs its own.
KIND_LEAST=0.30
KUBECTL_LEAST=1.34
HELM_LEAST=3.18
ISTIO_VERSION=${ISTIO_VERSION:-1.30.3}

# Istio 1.30 is made for Kubernetes 1.32 to 1.36.
NODE_IMAGE=${NODE_IMAGE:-kindest/node:v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0}
