"""OpenAPI: the documents from which kubectl validates, patches and explains.

definitions.py: the schemas with their prose, from the data file that the build hook (hatch_build.py) made. operations.py: the
paths, derived from the resource declarations. v3.py and v2.py: the documents. protobuf.py: version 2 as older clients want it.
Everything is made at first use and kept as bytes only.
"""
