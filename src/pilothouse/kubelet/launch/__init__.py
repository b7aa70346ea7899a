"""From a pod's spec to what the runtime is given: sandbox and container configurations. Pure but for the files it names."""
