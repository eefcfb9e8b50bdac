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

{{- /* A reader has no key; .kafkaSecret is that of its Kafka user. */ -}}
{{- define "telemetry-audit.readerTable" -}}
{{- $given := get .context.Values.config "audit_config" }}
{{- $audit := dict "encryption_enabled" false "fallback_enabled" false "kafka_brokers" $given.kafka_brokers "kafka_topic" $given.kafka_topic "security_protocol" $given.security_protocol }}
{{- if or .kafkaSecret .context.Values.secrets.kafka.existingSecret }}
{{- $_ := set $audit "kafka_config" (include "telemetry-audit.kafkaTable" (dict "context" .context) | fromYaml) }}
{{- end }}
{{- with $given.kafka_config }}
{{- $_ := set $audit "kafka_config" (mergeOverwrite (default dict (get $audit "kafka_config")) (deepCopy .)) }}
{{- end }}
{{- with $given.storage_config }}
{{- $_ := set $audit "storage_config" (deepCopy .) }}
{{- $_ := set $audit "fallback_enabled" true }}
{{- end }}
{{- toYaml $audit }}
{{- end }}

{{- define "telemetry-audit.verifierConfiguration" -}}
{{- $audit := include "telemetry-audit.readerTable" (dict "context" . "kafkaSecret" .Values.verify.kafkaSecret) | fromYaml }}
{{- $whole := dict "service_name" .Values.config.service_name "environment" .Values.config.environment "audit_config" $audit }}
{{- include "telemetry-audit.toml.table" (dict "table" $whole "path" "") | trim }}
{{ end }}

{{- /* The archiver opens no event; its key signs seals, and the storage secret opens what waits in the fallback store. */ -}}
{{- define "telemetry-audit.archiverConfiguration" -}}
{{- $folder := include "telemetry-audit.secretFolder" . }}
{{- $audit := include "telemetry-audit.readerTable" (dict "context" . "kafkaSecret" .Values.archive.kafkaSecret) | fromYaml }}
{{- if .Values.secrets.storage.existingSecret }}
{{- $_ := set $audit "storage_secret_file" (printf "%s/storage/%s" $folder .Values.secrets.storage.secret) }}
{{- end }}
{{- $signing := dict "key_path" "/etc/telemetry/archiver.key" "passphrase_file" (printf "%s/archiver/%s" $folder .Values.archive.signing.passphrase) }}
{{- $own := dict "signing_config" $signing "catalog_path" "/var/lib/telemetry/catalog.db" }}
{{- $given := deepCopy (default dict (get .Values.config "archive_config")) }}
{{- if or (hasKey $given "catalog") (hasKey $given "catalog_uri_file") }}
{{- $_ := unset $own "catalog_path" }}
{{- end }}
{{- $archive := mergeOverwrite $own $given }}
{{- $whole := dict "service_name" .Values.config.service_name "environment" .Values.config.environment "audit_config" $audit "archive_config" $archive }}
{{- include "telemetry-audit.toml.table" (dict "table" $whole "path" "") | trim }}
{{ end }}
