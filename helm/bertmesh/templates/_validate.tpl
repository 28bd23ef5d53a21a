{{/* What a schema cannot say, each with what was seen, what is needed and what to do. */}}
{{- define "bertmesh.validate" -}}
{{- include "bertmesh.validateCluster" . -}}
{{- $names := dict -}}
{{- $full := include "bertmesh.fullname" . -}}
{{- $service := include "bertmesh.service" . -}}
{{- range $label, $name := dict "fullnameOverride" $full "service.name" $service -}}
{{- if or (gt (len $name) 40) (not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $name)) -}}
{{- fail (printf "%s (or the release's name) is %q; a letter, then at most 39 of a-z, 0-9 and dashes needed: choose another" $label $name) -}}
{{- end -}}
{{- end -}}
{{- range $i, $given := .Values.models -}}
{{- $where := printf "models[%d] (version %s)" $i $given.version -}}
{{- $name := include "bertmesh.versionName" (dict "root" $ "version" $given.version) -}}
{{- if hasKey $names $name -}}
{{- $other := get $names $name -}}
{{- if eq $other $given.version -}}
{{- fail (printf "models: version %q is there twice; one entry a version needed: remove or rename one of them" $given.version) -}}
{{- end -}}
{{- fail (printf "models: versions %q and %q would both be called %s; names that differ in more than dots and dashes needed: rename one" $other $given.version $name) -}}
{{- end -}}
{{- $_ := set $names $name $given.version -}}
{{- if gt (len $name) 63 -}}
{{- fail (printf "%s: the name %s has %d characters, 63 are allowed: shorten the version or service.name" $where $name (len $name)) -}}
{{- end -}}
{{- $sources := list -}}
{{- range list "baked" "pvc" "ociImage" "uri" -}}{{- if hasKey $given.source . -}}{{- $sources = append $sources . -}}{{- end -}}{{- end -}}
{{- if ne (len $sources) 1 -}}
{{- fail (printf "%s: source has %s; exactly one of baked, pvc, ociImage and uri needed: leave one" $where (empty $sources | ternary "none of them" ($sources | join " and "))) -}}
{{- end -}}
{{- if and $given.source.uri (not $given.source.sha256) -}}
{{- fail (printf "%s: source.uri is %s without source.sha256; what is fetched must be what was tried: run `python -m modelstore fetch %s --to DIR`, which prints the checksum" $where $given.source.uri $given.source.uri) -}}
{{- end -}}
{{- if and (or $given.source.sha256 $given.source.base) (not $given.source.uri) -}}
{{- fail (printf "%s: source.sha256 and source.base belong to source.uri: remove them" $where) -}}
{{- end -}}
{{- $model := include "bertmesh.model" (dict "root" $ "model" $given) | fromYaml -}}
{{- if and (not (kindIs "invalid" $model.replicas)) (or $.Values.controller.enabled $model.autoscaling.enabled) -}}
{{- fail (printf "%s: replicas is %v, but the number of pods is the %s's; a number here would undo theirs at each upgrade: remove it, or set autoscaling.min" $where $model.replicas ($model.autoscaling.enabled | ternary "autoscaler" "controller")) -}}
{{- end -}}
{{- if gt (int $model.autoscaling.min) (int $model.autoscaling.max) -}}
{{- fail (printf "%s: autoscaling.min %v is above autoscaling.max %v: raise max or lower min" $where $model.autoscaling.min $model.autoscaling.max) -}}
{{- end -}}
{{- if and $model.autoscaling.enabled (not (int $model.autoscaling.cpu)) (not (int $model.autoscaling.inFlight)) -}}
{{- fail (printf "%s: autoscaling looks at nothing; a target needed: set autoscaling.cpu or autoscaling.inFlight, or autoscaling.enabled to false" $where) -}}
{{- end -}}
{{- if and $model.autoscaling.enabled (int $model.autoscaling.cpu) (not (dig "requests" "cpu" "" ($model.resources | default dict))) -}}
{{- fail (printf "%s: autoscaling.cpu %v is a percentage of resources.requests.cpu, which is not set: set it, or autoscaling.cpu to 0" $where $model.autoscaling.cpu) -}}
{{- end -}}
{{- range $model.extraEnv -}}
{{- if and (hasPrefix "BERTMESH_" .name) (has .name (list "BERTMESH_BIND" "BERTMESH_ADMIN_BIND" "BERTMESH_METRICS_BIND" "BERTMESH_GRPC_BIND" "BERTMESH_MODEL" "BERTMESH_MODELS_DIR" "BERTMESH_CACHE_DIR" "BERTMESH_VERSION" "BERTMESH_POD" "BERTMESH_REDIS_URL" "BERTMESH_REDIS_TIMEOUT_MS" "BERTMESH_FAULT" "BERTMESH_HOME_KIND")) -}}
{{- fail (printf "%s: extraEnv gives %s, which the chart sets (or which is for the local mesh): remove it" $where .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $versions := values $names -}}
{{- if .Values.rollout.enabled -}}
{{- range $key, $version := dict "rollout.stable" (include "bertmesh.stable" .) "rollout.canary" .Values.rollout.canary -}}
{{- if and $version (not (has $version $versions)) -}}
{{- fail (printf "%s is %q, which is none of models (%s): add the version there, or name another" $key $version ($versions | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.rollout.canary (include "bertmesh.stable" .) -}}
{{- fail (printf "rollout.canary and rollout.stable are both %q; two versions needed: name the new one in canary, or leave canary empty" .Values.rollout.canary) -}}
{{- end -}}
{{- /* Only a real upgrade sees the cluster; rendering alone finds nothing here. A kind that is not there yet cannot
       be looked up at all. */ -}}
{{- if .Capabilities.APIVersions.Has "bertmesh.dev/v1alpha1" -}}
{{- $live := lookup "bertmesh.dev/v1alpha1" "ModelRollout" .Release.Namespace $service -}}
{{- /* After the end of a rollout the status still names its canary, which gets nothing any more. */ -}}
{{- $over := has (dig "status" "phase" "" ($live | default dict)) (list "Promoted" "RolledBack" "Failed") -}}
{{- range $side := $over | ternary (list "stable") (list "stable" "canary") -}}
{{- $serving := dig "status" $side "" ($live | default dict) -}}
{{- if and $serving (not (has $serving $versions)) -}}
{{- fail (printf "version %s takes traffic as the %s and is not in models (%s); removing it would drop requests: keep it until the rollout has ended and another version is stable" $serving $side ($versions | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $mesh := .Values.mesh -}}
{{- if has "*" $mesh.hosts -}}
{{- fail "mesh.hosts has \"*\", which Istio refuses for sidecars, and which takes the other services' requests: name the hosts, such as bert.example.org or *.example.org" -}}
{{- end -}}
{{- if eq $mesh.gateway.create (ne $mesh.gateway.existing "") -}}
{{- fail (printf "mesh.gateway.create is %v and mesh.gateway.existing is %q; a gateway needed, once: set create to true, or existing to its name" $mesh.gateway.create $mesh.gateway.existing) -}}
{{- end -}}
{{- if and (ne $mesh.mode "sidecar") (contains "/" $mesh.gateway.existing) (not $mesh.gateway.principals) $mesh.authorization.enabled -}}
{{- if not (has (splitList "/" $mesh.gateway.existing | first) $mesh.gateway.namespaces) -}}
{{- fail (printf "mesh.gateway.existing is %s, and its namespace is not in mesh.gateway.namespaces (%s), so that its requests would be denied: add it" $mesh.gateway.existing ($mesh.gateway.namespaces | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- $known := or $mesh.gateway.namespaces $mesh.gateway.principals (and (ne $mesh.mode "sidecar") $mesh.gateway.create) -}}
{{- if and $mesh.authorization.enabled (not $known) -}}
{{- fail "mesh.gateway.namespaces and mesh.gateway.principals are both empty, so that no gateway may call the models: name where it runs, or who it is" -}}
{{- end -}}
{{- if and .Values.rollout.gates.golden (ne $mesh.mode "sidecar") (not $mesh.gateway.create) (not .Values.controller.gatewayUrl) -}}
{{- fail (printf "rollout.gates.golden needs a way to ask each version, and the Gateway %s is not the chart's: set controller.gatewayUrl to its address inside the cluster" $mesh.gateway.existing) -}}
{{- end -}}
{{- if eq $mesh.mode "ambient" -}}
{{- range $key := list "rateLimit" -}}
{{- if (index $mesh $key).enabled -}}
{{- fail (printf "mesh.%s.enabled is true, but waypoints obey no EnvoyFilter (mesh.mode ambient): set it to false, the pods' bounded queues answer 429 anyway" $key) -}}
{{- end -}}
{{- end -}}
{{- if int $mesh.requestLimit.maxBytes -}}
{{- fail (printf "mesh.requestLimit.maxBytes is %v, but waypoints obey no EnvoyFilter (mesh.mode ambient): set it to 0, the pods answer 413 above 1 MiB anyway" $mesh.requestLimit.maxBytes) -}}
{{- end -}}
{{- end -}}
{{- if $mesh.jwt.enabled -}}
{{- if not $mesh.jwt.issuer -}}
{{- fail "mesh.jwt.enabled is true and mesh.jwt.issuer is empty; the issuer of the tokens needed: set it as the tokens' claim `iss` has it" -}}
{{- end -}}
{{- if eq (empty $mesh.jwt.jwksUri) (empty $mesh.jwt.jwks) -}}
{{- fail "mesh.jwt needs the issuer's keys once: set either jwksUri or jwks" -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.redis.mode "external" -}}
{{- if eq (empty .Values.redis.external.url) (empty .Values.redis.external.existingSecret) -}}
{{- fail "redis.mode is external; its address needed, once: set redis.external.existingSecret, or redis.external.url" -}}
{{- end -}}
{{- end -}}
{{- $real := or .Release.IsUpgrade (.Capabilities.APIVersions.Has "apiregistration.k8s.io/v1") -}}
{{- if and .Values.rollout.enabled (eq (toString .Values.crds.install) "false") (not (.Capabilities.APIVersions.Has "bertmesh.dev/v1alpha1")) $real -}}
{{- fail "crds.install is false and the cluster has no ModelRollout kind: apply deploy/crd/modelrollouts.yaml, or set crds.install to auto" -}}
{{- end -}}
{{- end }}
{{/* What the cluster must know already: without it Helm would end with a line for each object. Rendering alone knows no
     cluster; every real one aggregates APIs, and so has the group of their registration. */}}
{{- define "bertmesh.validateCluster" -}}
{{- if .Capabilities.APIVersions.Has "apiregistration.k8s.io/v1" -}}
{{- $needed := list (list "networking.istio.io/v1" "Istio 1.24 or newer" "install Istio first (docs/quickstart-kind.md shows one way)") -}}
{{- if ne .Values.mesh.mode "sidecar" -}}
{{- $needed = append $needed (list "gateway.networking.k8s.io/v1" (printf "the Gateway API, which mesh.mode %s needs" .Values.mesh.mode) "install its standard channel first, or set mesh.mode to sidecar") -}}
{{- end -}}
{{- range .Values.models -}}
{{- $scaling := (include "bertmesh.model" (dict "root" $ "model" .) | fromYaml).autoscaling -}}
{{- if and $scaling.enabled (eq $scaling.kind "keda") -}}
{{- $needed = append $needed (list "keda.sh/v1alpha1" (printf "KEDA, which version %s is scaled by" .version) "install KEDA first, or set autoscaling.kind to hpa") -}}
{{- end -}}
{{- end -}}
{{- range $key := list "podMonitor" "rules" -}}
{{- if eq (toString (index $.Values.monitoring $key).enabled) "true" -}}
{{- $needed = append $needed (list "monitoring.coreos.com/v1" (printf "the Prometheus Operator, which monitoring.%s asks for" $key) (printf "install it first, or set monitoring.%s.enabled to auto" $key)) -}}
{{- end -}}
{{- end -}}
{{- range $needed -}}
{{- if not ($.Capabilities.APIVersions.Has (first .)) -}}
{{- fail (printf "the cluster does not have %s (no %s): %s" (index . 1) (first .) (last .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
