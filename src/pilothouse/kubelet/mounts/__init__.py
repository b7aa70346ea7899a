"""The volumes of pods: making them ready, keeping them fresh, taking them away. The kinds themselves are in ../volumes."""
