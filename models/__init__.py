"""Models: detectors, the classifier, and what trains and measures them."""
