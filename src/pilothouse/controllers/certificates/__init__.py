"""CertificateSigningRequests: approval rules of the built-in signers, and signing."""
