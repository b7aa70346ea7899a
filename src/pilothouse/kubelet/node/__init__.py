"""The node as the API shows it: registration, status, Lease, and which pods it takes."""
