"""Kubernetes' protobuf form of objects, read and written by the field numbers of the API's Go types.

The numbers are in api/types/fields.tsv. tables.py: which field of a struct
class has which number and kind. values.py: strings, numbers, times, quantities and the other types that write themselves.
encoder.py and decoder.py: structs to bytes and back. envelope.py: the magic bytes, `runtime.Unknown` and watch events around them.
"""
