"""What the controllers of nodes share: taints and tolerations, the state of zones."""
