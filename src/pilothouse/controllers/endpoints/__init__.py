"""Shared by the Endpoints and EndpointSlice controllers: Pods of a Service, and distribution to slices."""
