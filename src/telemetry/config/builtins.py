"""Lists the built-in providers; each is imported only when a configuration names it."""

from __future__ import annotations

from telemetry.config.provider_table import ProviderTable

ENCRYPTION = ProviderTable(
    group="telemetry.encryption_providers",
    base="telemetry.encryption.provider:EncryptionProvider",
    builtin={
        "aws_kms": "telemetry.encryption.providers.aws_kms:AwsKmsProvider",
        "azure_keyvault": "telemetry.encryption.providers.azure_keyvault:AzureKeyVaultProvider",
        "gcp_kms": "telemetry.encryption.providers.gcp_kms:GcpKmsProvider",
        "local_key": "telemetry.encryption.providers.local_key:LocalKeyProvider",
        "recovery_key": "telemetry.encryption.providers.recovery_key:RecoveryKeyProvider",
    },
)
STORAGE = ProviderTable(
    group="telemetry.storage_providers",
    base="telemetry.storage.provider:StorageProvider",
    builtin={
        "aws_s3": "telemetry.storage.aws_s3:AwsS3Provider",
        "azure_blob": "telemetry.storage.azure_blob:AzureBlobProvider",
        "gcp_storage": "telemetry.storage.gcp_storage:GcpStorageProvider",
        "local_file": "telemetry.storage.local_file:LocalFileProvider",
    },
)
