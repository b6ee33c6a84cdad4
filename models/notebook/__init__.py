"""`from mien import FaceAnalyzer`: the analyzer for notebooks and scripts."""
