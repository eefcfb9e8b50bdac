{{- /* The configuration: what the secrets and the mode add, and over it what the user gave. */ -}}

{{- define "telemetry-audit.secretFolder" -}}/run/secrets/telemetry{{- end }}

{{- define "telemetry-audit.kafkaTable" -}}
{{- $folder := printf "%s/kafka" (include "telemetry-audit.secretFolder" .context) }}
{{- $secret := .context.Values.secrets.kafka }}
{{- with $secret.ca }}
ssl_ca_location: {{ printf "%s/%s" $folder . }}
{{- end }}
{{- if $secret.username }}
username: {{ $secret.username | quote }}
password_file: {{ printf "%s/%s" $folder $secret.password }}
{{- else }}
{{- with $secret.certificate }}
ssl_certificate_location: {{ printf "%s/%s" $folder . }}
{{- end }}
{{- with $secret.key }}
ssl_key_location: {{ printf "%s/%s" $folder . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "telemetry-audit.auditTable" -}}
{{- $folder := include "telemetry-audit.secretFolder" . }}
{{- $secrets := .Values.secrets }}
spool_path: /var/lib/telemetry/spool
fallback_enabled: {{ hasKey .Values.config.audit_config "storage_config" }}
{{- if $secrets.kafka.existingSecret }}
kafka_config: {{- include "telemetry-audit.kafkaTable" (dict "context" .) | nindent 2 }}
{{- end }}
{{- if $secrets.signing.existingSecret }}
signing_config:
  key_path: /etc/telemetry/signing.key
  passphrase_file: {{ printf "%s/signing/%s" $folder $secrets.signing.passphrase }}
{{- end }}
{{- if $secrets.localKey.existingSecret }}
encryption_config:
  provider: local_key
  key_path: /etc/telemetry/local.key
  passphrase_file: {{ printf "%s/local-key/%s" $folder $secrets.localKey.passphrase }}
{{- end }}
{{- if $secrets.storage.existingSecret }}
storage_secret_file: {{ printf "%s/storage/%s" $folder $secrets.storage.secret }}
{{- with $secrets.storage.former }}
former_storage_secret_files:
{{- range . }}
  - {{ printf "%s/storage/%s" $folder . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "telemetry-audit.gatewayTable" -}}
{{- $folder := include "telemetry-audit.secretFolder" . }}
{{- $gateway := .Values.gateway }}
admin_listen: {{ printf "http://0.0.0.0:%v" $gateway.adminPort }}
{{- if eq .Values.mode "sidecar" }}
listen: [{{ .Values.sidecar.listen | quote }}]
{{- else if $gateway.tls.plainHttp }}
listen: [{{ printf "http://0.0.0.0:%v" $gateway.port | quote }}]
allow_plain_http: true
{{- else }}
listen: [{{ printf "https://0.0.0.0:%v" $gateway.port | quote }}]
tls_certificate: {{ printf "%s/tls/tls.crt" $folder }}
tls_key: {{ printf "%s/tls/tls.key" $folder }}
client_certificates: {{ $gateway.clientCertificates.mode }}
{{- with $gateway.clientCertificates.existingSecret }}
client_ca: {{ printf "%s/client-ca/%s" $folder $gateway.clientCertificates.ca }}
{{- end }}
{{- end }}
{{- if $gateway.identities.existingSecret }}
identities: {{ printf "%s/identities/%s" $folder $gateway.identities.file }}
{{- end }}
{{- end }}

{{- define "telemetry-audit.configuration" -}}
{{- $given := deepCopy .Values.config }}
{{- $audit := mergeOverwrite (include "telemetry-audit.auditTable" . | fromYaml) (get $given "audit_config") }}
{{- $gateway := mergeOverwrite (include "telemetry-audit.gatewayTable" . | fromYaml) (default dict (get $given "gateway_config")) }}
{{- $whole := merge (dict "audit_config" $audit "gateway_config" $gateway) $given }}
{{- include "telemetry-audit.toml.table" (dict "table" $whole "path" "") | trim }}
{{ end }}

{{- /* A verifier reads, and has no key. */ -}}
{{- define "telemetry-audit.verifierConfiguration" -}}
{{- $given := get .Values.config "audit_config" }}
{{- $audit := dict "encryption_enabled" false "fallback_enabled" false "kafka_brokers" $given.kafka_brokers "kafka_topic" $given.kafka_topic "security_protocol" $given.security_protocol }}
{{- if or .Values.verify.kafkaSecret .Values.secrets.kafka.existingSecret }}
{{- $_ := set $audit "kafka_config" (include "telemetry-audit.kafkaTable" (dict "context" .) | fromYaml) }}
{{- end }}
{{- with $given.kafka_config }}
{{- $_ := set $audit "kafka_config" (mergeOverwrite (default dict (get $audit "kafka_config")) (deepCopy .)) }}
{{- end }}
{{- with $given.storage_config }}
{{- $_ := set $audit "storage_config" (deepCopy .) }}
{{- $_ := set $audit "fallback_enabled" true }}
{{- end }}
{{- $whole := dict "service_name" .Values.config.service_name "environment" .Values.config.environment "audit_config" $audit }}
{{- include "telemetry-audit.toml.table" (dict "table" $whole "path" "") | trim }}
{{ end }}
