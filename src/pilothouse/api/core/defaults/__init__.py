"""Defaulting of Pods, one file for each part."""
