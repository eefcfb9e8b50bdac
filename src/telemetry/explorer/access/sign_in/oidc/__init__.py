"""Signs persons in at an OpenID provider: authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636)."""
