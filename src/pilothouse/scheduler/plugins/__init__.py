"""One scheduler plugin a file, named as upstream names it; profile.py lists them in order. None imports another."""
