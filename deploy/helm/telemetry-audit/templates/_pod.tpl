{{- /* What the pods of all modes have in common. */ -}}

{{- /* The pod of a sidecar belongs to its application, so the user is named here too. */ -}}
{{- define "telemetry-audit.containerSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.podSecurityContext.runAsUser }}
runAsGroup: {{ .Values.podSecurityContext.runAsGroup }}
seccompProfile: {type: RuntimeDefault}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "telemetry-audit.podBasics" -}}
serviceAccountName: {{ include "telemetry-audit.serviceAccount" . }}
automountServiceAccountToken: false
# A Service named telemetry-* would otherwise appear as TELEMETRY_* variables.
enableServiceLinks: false
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "telemetry-audit.podAnnotations" -}}
checksum/configuration: {{ include "telemetry-audit.configuration" . | sha256sum }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Single files are mounted alone: a folder of a ConfigMap is open to everyone, and a key file may be no link. */ -}}
{{- define "telemetry-audit.secretMounts" -}}
{{- $folder := include "telemetry-audit.secretFolder" . }}
{{- $secrets := .Values.secrets -}}
- {name: audit-configuration, mountPath: /etc/telemetry/telemetry.toml, subPath: telemetry.toml, readOnly: true}
{{- if $secrets.signing.existingSecret }}
- {name: audit-signing, mountPath: /etc/telemetry/signing.key, subPath: {{ $secrets.signing.keyFile }}, readOnly: true}
- {name: audit-signing, mountPath: {{ $folder }}/signing, readOnly: true}
{{- end }}
{{- if $secrets.localKey.existingSecret }}
- {name: audit-local-key, mountPath: /etc/telemetry/local.key, subPath: {{ $secrets.localKey.keyFile }}, readOnly: true}
- {name: audit-local-key, mountPath: {{ $folder }}/local-key, readOnly: true}
{{- end }}
{{- if $secrets.storage.existingSecret }}
- {name: audit-storage, mountPath: {{ $folder }}/storage, readOnly: true}
{{- end }}
{{- if $secrets.kafka.existingSecret }}
- {name: audit-kafka, mountPath: {{ $folder }}/kafka, readOnly: true}
{{- end }}
{{- if and (ne .Values.mode "sidecar") (not .Values.gateway.tls.plainHttp) }}
- {name: audit-tls, mountPath: {{ $folder }}/tls, readOnly: true}
{{- if .Values.gateway.clientCertificates.existingSecret }}
- {name: audit-client-ca, mountPath: {{ $folder }}/client-ca, readOnly: true}
{{- end }}
{{- end }}
- {name: audit-identities, mountPath: {{ $folder }}/identities, readOnly: true}
{{- range $secrets.further }}
- {name: audit-further-{{ .folder }}, mountPath: {{ $folder }}/{{ .folder }}, readOnly: true}
{{- end }}
- {name: audit-tmp, mountPath: /tmp}
{{- end }}

{{- /* Modes: root owns what is mounted, and fsGroup lets the group read; nobody else may. */ -}}
{{- define "telemetry-audit.secretVolumes" -}}
{{- $secrets := .Values.secrets -}}
- name: audit-configuration
  configMap: {name: {{ include "telemetry-audit.fullname" . }}}
{{- with $secrets.signing.existingSecret }}
- name: audit-signing
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with $secrets.localKey.existingSecret }}
- name: audit-local-key
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with $secrets.storage.existingSecret }}
- name: audit-storage
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with $secrets.kafka.existingSecret }}
- name: audit-kafka
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- if and (ne .Values.mode "sidecar") (not .Values.gateway.tls.plainHttp) }}
- name: audit-tls
  secret: {secretName: {{ .Values.gateway.tls.existingSecret }}, defaultMode: 0440}
{{- with .Values.gateway.clientCertificates.existingSecret }}
- name: audit-client-ca
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- range $secrets.further }}
- name: audit-further-{{ .folder }}
  secret: {secretName: {{ .existingSecret }}, defaultMode: 0440}
{{- end }}
- name: audit-identities
  secret: {secretName: {{ .Values.gateway.identities.existingSecret }}, defaultMode: 0440}
# In memory, because only there Kubernetes sets the sticky bit.
- name: audit-tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end }}

{{- /* The container that takes events; .spool names the volume with the spool. */ -}}
{{- define "telemetry-audit.container" -}}
{{- $ := .context -}}
name: telemetry-audit
image: {{ include "telemetry-audit.image" $ | quote }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
args: [serve, -c, /etc/telemetry/telemetry.toml, --timeout, {{ $.Values.gateway.shutdownSeconds | quote }}]
ports:
{{- if ne $.Values.mode "sidecar" }}
  - {name: events, containerPort: {{ $.Values.gateway.port }}}
{{- end }}
  - {name: admin, containerPort: {{ $.Values.gateway.adminPort }}}
{{- with $.Values.env }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "telemetry-audit.containerSecurity" $ | nindent 2 }}
resources: {{- toYaml $.Values.resources | nindent 2 }}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
  timeoutSeconds: 3
lifecycle:
  preStop:
    exec: {command: [python, -c, "import time; time.sleep({{ $.Values.gateway.drainSeconds }})"]}
volumeMounts: {{- include "telemetry-audit.secretMounts" $ | nindent 2 }}
  - {name: {{ .spool }}, mountPath: /var/lib/telemetry}
{{- end }}

{{- define "telemetry-audit.memorySpool" -}}
- name: audit-spool
  emptyDir: {medium: Memory, sizeLimit: {{ .Values.spool.memorySize }}}
{{- end }}

{{- define "telemetry-audit.spread" -}}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- else }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "telemetry-audit.selector" . | nindent 8 }}
        app.kubernetes.io/component: gateway
{{- end }}
{{- end }}
