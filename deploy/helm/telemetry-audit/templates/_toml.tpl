{{- /* Writes one value as TOML: a JSON string is a TOML string, and a whole number stays one. */ -}}
{{- define "telemetry-audit.toml.value" -}}
{{- if kindIs "float64" . -}}
{{- if eq . (floor .) }}{{ printf "%.0f" . }}{{ else }}{{ printf "%v" . }}{{ end -}}
{{- else if kindIs "slice" . -}}
[{{ range $index, $item := . }}{{ if $index }}, {{ end }}{{ include "telemetry-audit.toml.value" $item }}{{ end }}]
{{- else if kindIs "map" . -}}
{ {{- range $index, $name := keys . | sortAlpha }}{{ if $index }}, {{ end }}{{ include "telemetry-audit.toml.key" $name }} = {{ include "telemetry-audit.toml.value" (get $ $name) }}{{ end -}} }
{{- else if kindIs "string" . -}}
{{ . | toRawJson }}
{{- else -}}
{{ . | toJson }}
{{- end -}}
{{- end }}

{{- /* Writes a key: quoted where it is no bare one, such as "linger.ms". */ -}}
{{- define "telemetry-audit.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ . | toRawJson }}{{ end -}}
{{- end }}

{{- /* Writes the table .table with the name .path: first its values, then the tables in it. */ -}}
{{- define "telemetry-audit.toml.table" -}}
{{- $table := .table }}
{{- if .path }}
[{{ .path }}]
{{ end }}
{{- range $name := keys $table | sortAlpha }}
{{- $value := get $table $name }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "telemetry-audit.toml.key" $name }} = {{ include "telemetry-audit.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $name := keys $table | sortAlpha }}
{{- $value := get $table $name }}
{{- if kindIs "map" $value }}
{{- $key := include "telemetry-audit.toml.key" $name }}
{{ include "telemetry-audit.toml.table" (dict "table" $value "path" (ternary (printf "%s.%s" $.path $key) $key (ne $.path ""))) }}
{{- end }}
{{- end }}
{{- end }}
