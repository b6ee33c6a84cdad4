"""Measures a classifier on labelled pictures: read, change, score, report. No TensorFlow here."""
