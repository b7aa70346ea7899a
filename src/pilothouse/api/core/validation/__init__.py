"""The rules of the core group's kinds, a file a part: upstream's pkg/apis/core/validation, in its words."""
