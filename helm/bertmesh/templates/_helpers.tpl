{{/* Names */}}
{{- define "bertmesh.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name -}}
{{- end }}

{{- define "bertmesh.service" -}}
{{- .Values.service.name | default .Release.Name -}}
{{- end }}

{{- define "bertmesh.serviceHost" -}}
{{- printf "%s.%s.svc.%s" (include "bertmesh.service" .) .Release.Namespace .Values.mesh.clusterDomain -}}
{{- end }}

{{/* The hosts of the route, as JSON: those given, else one that no other release has */}}
{{- define "bertmesh.hosts" -}}
{{- .Values.mesh.hosts | default (list (printf "%s.%s.localhost" (include "bertmesh.service" .) .Release.Namespace)) | toJson -}}
{{- end }}

{{/* Whether the kind is rendered. A definition of another release, or of none, is not ours to change: Helm would refuse. */}}
{{- define "bertmesh.installsKind" -}}
{{- $wanted := toString .Values.crds.install -}}
{{- if eq $wanted "true" }}yes{{ end -}}
{{- if eq $wanted "auto" -}}
{{- $live := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "modelrollouts.bertmesh.dev" | default dict -}}
{{- $owner := include "bertmesh.ownerOf" $live -}}
{{- if or (not $live) (eq $owner (printf "%s/%s" .Release.Namespace .Release.Name)) }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/* The release that an object belongs to, as namespace/name; argument: the object */}}
{{- define "bertmesh.ownerOf" -}}
{{- $notes := dig "metadata" "annotations" dict . -}}
{{- printf "%s/%s" (get $notes "meta.helm.sh/release-namespace") (get $notes "meta.helm.sh/release-name") -}}
{{- end }}

{{/* The name of a version's Deployment and Service; argument: root, version. Dots are no part of a DNS label. */}}
{{- define "bertmesh.versionName" -}}
{{- printf "%s-v%s" (include "bertmesh.service" .root) (.version | replace "." "-") -}}
{{- end }}

{{- define "bertmesh.stable" -}}
{{- .Values.rollout.stable | default (index .Values.models 0).version -}}
{{- end }}

{{- define "bertmesh.gateway" -}}
{{- if .Values.mesh.gateway.create }}{{ include "bertmesh.fullname" . }}{{ else }}{{ .Values.mesh.gateway.existing }}{{ end -}}
{{- end }}

{{- define "bertmesh.waypoint" -}}
{{- .Values.mesh.waypoint.name | default (printf "%s-waypoint" (include "bertmesh.fullname" .)) -}}
{{- end }}

{{/* Where requests inside the cluster meet the route: with an Istio route any sidecar, else the Gateway itself. */}}
{{- define "bertmesh.routeHost" -}}
{{- if eq .Values.mesh.mode "sidecar" -}}
{{- include "bertmesh.serviceHost" . -}}
{{- else if .Values.mesh.gateway.create -}}
{{- printf "%s-%s.%s.svc.%s" (include "bertmesh.gateway" .) .Values.mesh.gateway.className .Release.Namespace .Values.mesh.clusterDomain -}}
{{- end -}}
{{- end }}

{{- define "bertmesh.routeUrl" -}}
{{- $host := include "bertmesh.routeHost" . -}}
{{- if eq .Values.mesh.mode "sidecar" -}}
{{- $port := int .Values.service.port -}}
http://{{ $host }}{{ if ne $port 80 }}:{{ $port }}{{ end }}
{{- else if $host -}}
{{- $port := int .Values.mesh.gateway.port -}}
http://{{ $host }}{{ if ne $port 80 }}:{{ $port }}{{ end }}
{{- end -}}
{{- end }}

{{/* Labels of objects; argument: root, component */}}
{{- define "bertmesh.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "bertmesh.selector" . }}
app.kubernetes.io/part-of: bertmesh
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "bertmesh.selector" -}}
app.kubernetes.io/name: bertmesh
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of pods. No version of the chart is among them, so that an upgrade of the chart restarts no model.
     Argument: root, component; mesh false keeps a pod out of the mesh. */}}
{{- define "bertmesh.podLabels" -}}
{{ include "bertmesh.selector" . }}
app.kubernetes.io/part-of: bertmesh
{{- if eq .mesh false }}
sidecar.istio.io/inject: "false"
istio.io/dataplane-mode: none
{{- else if eq .root.Values.mesh.mode "ambient" }}
istio.io/dataplane-mode: ambient
{{- else }}
sidecar.istio.io/inject: "true"
{{- with .root.Values.mesh.revision }}
istio.io/rev: {{ . }}
{{- end }}
{{- end }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object; argument: root, component, name; optional annotations, labels (mappings) */}}
{{- define "bertmesh.metadata" -}}
name: {{ .name }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "bertmesh.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* An image; argument: root, image, and optionally suffix of the tag */}}
{{- define "bertmesh.image" -}}
{{- $registry := .image.registry | default .root.Values.global.imageRegistry -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ $tag }}{{ .suffix }}{{ end -}}
{{- end }}

{{/* An address to listen on; argument: root, port */}}
{{- define "bertmesh.bind" -}}
{{- contains ":" .root.Values.service.bind | ternary (printf "[%s]" .root.Values.service.bind) .root.Values.service.bind }}:{{ .port -}}
{{- end }}

{{/* Where Prometheus, or the proxy that offers all of a pod's metrics, finds those of a program; argument: root, port.
     A PodMonitor that asks the program itself needs no such words, which another Prometheus might read, too. */}}
{{- define "bertmesh.scrapeNotes" -}}
{{- $monitor := include "bertmesh.wanted" (dict "root" .root "wanted" .root.Values.monitoring.podMonitor.enabled "api" "monitoring.coreos.com/v1/PodMonitor") -}}
{{- if or (include "bertmesh.sidecars" .root) (not $monitor) }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{/* Where short-lived pods run */}}
{{- define "bertmesh.jobPlace" -}}
{{- with .Values.jobs.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- range $key := list "nodeSelector" "affinity" "tolerations" }}
{{- with index $.Values.jobs $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "bertmesh.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What all containers of our image have: image, policy, security.
     Argument: root, and optionally suffix (of the tag) and security (what differs) */}}
{{- define "bertmesh.container" -}}
image: {{ include "bertmesh.image" (dict "root" .root "image" .root.Values.image "suffix" .suffix) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- mergeOverwrite (deepCopy .root.Values.containerSecurityContext) (.security | default dict) | toYaml | nindent 2 }}
{{- end }}

{{/* Nothing but /tmp can be written in a container: what libraries would write in a home folder goes there. */}}
{{- define "bertmesh.scratch" -}}
- name: HOME
  value: /tmp
- name: XDG_CACHE_HOME
  value: /tmp/.cache
- name: PYTHONDONTWRITEBYTECODE
  value: "1"
{{- end }}

{{/* A version with the defaults below it; argument: root, model */}}
{{- define "bertmesh.model" -}}
{{- mergeOverwrite (deepCopy .root.Values.modelDefaults) (deepCopy .model) | toYaml -}}
{{- end }}

{{/* auto, true or false; argument: root, wanted, api */}}
{{- define "bertmesh.wanted" -}}
{{- if or (eq (toString .wanted) "true") (and (eq (toString .wanted) "auto") (.root.Capabilities.APIVersions.Has .api)) }}yes{{ end -}}
{{- end }}

{{/* Seconds between SIGTERM's predecessor and SIGKILL: preStop, drain, the time of the last requests, reserve; arguments: drain, deadline */}}
{{- define "bertmesh.graceSeconds" -}}
{{- add (int .drain.preStopSeconds) (ceil .drain.seconds | int) (max 30 (add 5 (ceil .deadline | int))) 5 -}}
{{- end }}

{{/* Principals of a ServiceAccount of ours; argument: root, account */}}
{{- define "bertmesh.principal" -}}
{{- printf "%s/ns/%s/sa/%s" .root.Values.mesh.trustDomain .root.Release.Namespace .account -}}
{{- end }}

{{/* Whether pods have sidecars */}}
{{- define "bertmesh.sidecars" -}}
{{- if ne .Values.mesh.mode "ambient" }}yes{{ end -}}
{{- end }}

{{/* Names of the Secret and key with Redis' URL, if there is one: name, then key */}}
{{- define "bertmesh.redisSecret" -}}
{{- if eq .Values.redis.mode "bundled" -}}
{{- .Values.redis.auth.existingSecret | default (printf "%s-redis" (include "bertmesh.fullname" .)) -}}
{{- else if eq .Values.redis.mode "external" -}}
{{- .Values.redis.external.existingSecret -}}
{{- end -}}
{{- end }}

{{- define "bertmesh.redisEnv" -}}
{{- with include "bertmesh.redisSecret" . }}
- name: BERTMESH_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ if eq $.Values.redis.mode "bundled" }}url{{ else }}{{ $.Values.redis.external.key }}{{ end }}
{{- else }}
{{- if eq .Values.redis.mode "external" }}
- name: BERTMESH_REDIS_URL
  value: {{ .Values.redis.external.url | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where spans go; argument: root, service (the name in traces) */}}
{{- define "bertmesh.tracingEnv" -}}
{{- with .root.Values.tracing.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_SEMCONV_STABILITY_OPT_IN
  value: http,database
{{- end }}
{{- end }}

{{/* Where models and what is made of them are; argument: folder */}}
{{- define "bertmesh.places" -}}
- name: BERTMESH_MODELS_DIR
  value: {{ .folder }}
- name: BERTMESH_CACHE_DIR
  value: /cache/models
{{- end }}

{{/* Argument: models, whether they are on a volume */}}
{{- define "bertmesh.modelMounts" -}}
- name: tmp
  mountPath: /tmp
- name: cache
  mountPath: /cache
{{- if .models }}
- name: models
  mountPath: /models
  readOnly: true
{{- end }}
{{- end }}

{{- /* The token of the release's own requests, for a pod that makes some. */}}
{{- define "bertmesh.ownTokenMount" -}}
{{- if .Values.mesh.jwt.ownToken.existingSecret }}
- {name: own-token, mountPath: /run/bertmesh, readOnly: true}
{{- end }}
{{- end }}

{{- define "bertmesh.ownTokenVolume" -}}
{{- with .Values.mesh.jwt.ownToken }}
{{- if .existingSecret }}
- name: own-token
  secret:
    secretName: {{ .existingSecret | quote }}
    items:
      - {key: {{ .key | quote }}, path: token}
{{- end }}
{{- end }}
{{- end }}
