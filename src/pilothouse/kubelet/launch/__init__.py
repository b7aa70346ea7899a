"""From a Pod's spec to CRI's sandbox and container configurations."""
