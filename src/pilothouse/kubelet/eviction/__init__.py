"""Node-pressure eviction: pressure conditions, and evicting Pods until the pressure is over."""
