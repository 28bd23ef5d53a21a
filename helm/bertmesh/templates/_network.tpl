{{/* Traffic between pods of the ambient mesh arrives on ztunnel's port, whatever its own is. */}}
{{- define "bertmesh.namespacePeers" -}}
{{- range .  }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . }}
{{- end }}
{{- end }}
{{- define "bertmesh.dns" -}}
- to:
    - namespaceSelector: {}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
    - {port: 5353, protocol: UDP}
    - {port: 5353, protocol: TCP}
- to:
    # NodeLocal DNSCache
    - ipBlock:
        cidr: 169.254.20.10/32
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}
{{- define "bertmesh.meshEgress" -}}
{{- if eq .Values.mesh.mode "ambient" }}
- ports:
    - {port: 15008, protocol: TCP}
{{- else }}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Values.mesh.istioNamespace }}
  ports:
    - {port: 15012, protocol: TCP}
    - {port: 15010, protocol: TCP}
{{- end }}
{{- end }}
{{- define "bertmesh.meshIngress" -}}
{{- if eq .Values.mesh.mode "ambient" }}
- ports:
    - {port: 15008, protocol: TCP}
# Probes of the kubelet, as istio-cni sends them on.
- from:
    - ipBlock:
        cidr: 169.254.7.127/32
{{- end }}
{{- end }}
{{- define "bertmesh.scrapeIngress" -}}
{{- with .root.Values.monitoring.namespaces }}
- from:
    {{- include "bertmesh.namespacePeers" . | nindent 4 }}
  ports:
    - {port: {{ $.port }}, protocol: TCP}
    {{- if include "bertmesh.sidecars" $.root }}
    # The proxy's merged metrics.
    - {port: 15020, protocol: TCP}
    - {port: 15090, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}
{{- define "bertmesh.apiEgress" -}}
- ports:
    - {port: 443, protocol: TCP}
    - {port: 6443, protocol: TCP}
  {{- with .Values.networkPolicy.apiServerCidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
{{- end }}
{{- define "bertmesh.urlEgress" -}}
{{- with . }}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "https" | ternary "443" "80") }}
- ports:
    - {port: {{ $port }}, protocol: TCP}
{{- end }}
{{- end }}
