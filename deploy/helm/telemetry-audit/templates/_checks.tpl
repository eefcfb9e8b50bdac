{{- /* Every field that is a secret; the test of the chart compares them with those of the configuration. */ -}}
{{- define "telemetry-audit.secretFields" -}}
aws_secret_access_key aws_session_token azure_account_key azure_client_secret azure_sas_token catalog_credential catalog_token catalog_uri client_secret database former_storage_secrets gcp_bearer_token key_hmac_secret oauth_client_secret passphrase password ssl_key_password ssl_key_pem storage_secret store
{{- end }}

{{- /* Refuses secrets in .table: it becomes a ConfigMap, which is kept and shown in the clear. */ -}}
{{- define "telemetry-audit.withoutSecrets" -}}
{{- $secrets := splitList " " (include "telemetry-audit.secretFields" . | trim) }}
{{- range $name, $value := .table }}
{{- if has $name $secrets }}
{{- fail (printf "%s.%s is a secret and config becomes a ConfigMap: put it into a Secret, mount it by secrets.further, and name its file instead (docs/configuration.md)" $.path $name) }}
{{- else if kindIs "map" $value }}
{{- include "telemetry-audit.withoutSecrets" (dict "table" $value "path" (printf "%s.%s" $.path $name)) }}
{{- else if kindIs "slice" $value }}
{{- range $value }}
{{- if kindIs "map" . }}
{{- include "telemetry-audit.withoutSecrets" (dict "table" . "path" (printf "%s.%s" $.path $name)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What cannot work is refused here, before it is installed. */ -}}
{{- define "telemetry-audit.checks" -}}
{{- $values := .Values }}
{{- $audit := $values.config.audit_config }}
{{- include "telemetry-audit.withoutSecrets" (dict "table" $values.config "path" "config") }}
{{- if not $values.image.repository }}
{{- fail "image.repository is empty: build the image from deploy/container/Containerfile and name it" }}
{{- end }}
{{- if not $audit.kafka_brokers }}
{{- fail "config.audit_config.kafka_brokers is empty: write host:port,host:port" }}
{{- end }}
{{- if not (or $audit.encryption_config $values.secrets.localKey.existingSecret) }}
{{- fail "there is no key: set config.audit_config.encryption_config, or secrets.localKey.existingSecret for a local_key" }}
{{- end }}
{{- if ne $values.mode "sidecar" }}
{{- if not (or $values.gateway.tls.existingSecret $values.gateway.tls.plainHttp) }}
{{- fail "gateway.tls.existingSecret is empty: name a Secret of type kubernetes.io/tls, or set gateway.tls.plainHttp where something else encrypts" }}
{{- end }}
{{- if and (eq $values.gateway.clientCertificates.mode "required") (not $values.gateway.tls.plainHttp) (not $values.gateway.clientCertificates.existingSecret) }}
{{- fail "gateway.clientCertificates.existingSecret is empty: name a Secret with the callers' authorities, or set gateway.clientCertificates.mode to optional and give tokens" }}
{{- end }}
{{- if and $values.gateway.tls.plainHttp (eq $values.service.type "LoadBalancer") }}
{{- fail "service.type is LoadBalancer and gateway.tls.plainHttp is set: tokens and events would be readable on the way" }}
{{- end }}
{{- end }}
{{- if not $values.gateway.identities.existingSecret }}
{{- fail "gateway.identities.existingSecret is empty: nobody could call; docs/gateway.md describes the file" }}
{{- end }}
{{- $requests := dig "gateway_config" "shutdown_seconds" 10 $values.config }}
{{- $needed := addf $values.gateway.drainSeconds $requests $values.gateway.shutdownSeconds }}
{{- if le (float64 $values.terminationGracePeriodSeconds) $needed }}
{{- fail (printf "terminationGracePeriodSeconds must be more than %v: drainSeconds, shutdown_seconds and shutdownSeconds together; else the pod is killed while it delivers" $needed) }}
{{- end }}
{{- if and $values.secrets.kafka.username (not $values.secrets.kafka.password) }}
{{- fail "secrets.kafka.password is empty: name the key of secrets.kafka.existingSecret with the password" }}
{{- end }}
{{- if $values.archive.enabled }}
{{- $archive := default dict (get $values.config "archive_config") }}
{{- if not (or $archive.location $archive.storage_config) }}
{{- fail "config.archive_config names no place: set location, such as s3://audit-archive/payments" }}
{{- end }}
{{- if not $values.archive.signing.existingSecret }}
{{- fail "archive.signing.existingSecret is empty: name a Secret with the archiver's own key (telemetry keys init-signing)" }}
{{- end }}
{{- end }}
{{- if and $values.verify.enabled (not $values.verify.trustConfigMap) }}
{{- fail "verify.trustConfigMap is empty: name a ConfigMap with a trust file (telemetry trust init)" }}
{{- end }}
{{- end }}
