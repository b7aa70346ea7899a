"""Encryption at rest: values are transformed between the registry and whichever store there is, in upstream's form on disk.

- configuration.py reads and judges an EncryptionConfiguration (pure); ciphers.py has the local providers, kms.py the one that asks a
  plugin; transformers.py chooses among them by the prefix of a value and by the resource of a key.
- storage.py is a store over a store: what goes in is encrypted, what comes out decrypted. effective.py holds the configuration that counts
  now and takes a changed file.

A value that cannot be decrypted fails its own object and nothing else. Upstream: apiserver/pkg/storage/value and
server/options/encryptionconfig.
"""
