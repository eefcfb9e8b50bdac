"""Says who a caller is: certificates, tokens and users of the identities file."""
