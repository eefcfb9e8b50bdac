{{- /*
For the charts of services, which have this chart as a dependency in the mode "sidecar":

  spec:
    enableServiceLinks: false
    securityContext: {fsGroup: 10001, fsGroupChangePolicy: OnRootMismatch}
    initContainers:
      {{- include "telemetry-audit.sidecar.container" (index .Subcharts "telemetry-audit") | nindent 6 }}
    volumes:
      {{- include "telemetry-audit.sidecar.volumes" (index .Subcharts "telemetry-audit") | nindent 6 }}

and in the labels of the pod: {{- include "telemetry-audit.sidecar.labels" (index .Subcharts "telemetry-audit") | nindent 4 }}
*/ -}}

{{- /* An init container that is always restarted: it runs before the application's, and ends after them. */ -}}
{{- define "telemetry-audit.sidecar.container" -}}
- {{- include "telemetry-audit.container" (dict "context" . "spool" (default "audit-spool" .Values.sidecar.spoolVolume)) | nindent 2 }}
  restartPolicy: Always
{{- end }}

{{- define "telemetry-audit.sidecar.volumes" -}}
{{ include "telemetry-audit.secretVolumes" . }}
{{- if not .Values.sidecar.spoolVolume }}
{{ include "telemetry-audit.memorySpool" . }}
{{- end }}
{{- end }}

{{- define "telemetry-audit.sidecar.labels" -}}
telemetry-audit/sidecar: {{ include "telemetry-audit.fullname" . | quote }}
{{- end }}
