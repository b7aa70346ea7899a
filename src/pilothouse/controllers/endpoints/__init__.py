"""What the controllers of Endpoints and EndpointSlices share: which Pods stand behind a Service, and how slices are cut."""
