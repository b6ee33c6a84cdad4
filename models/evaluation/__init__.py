"""Measures a classifier on labelled pictures: classify, change, score, report. No TensorFlow here."""
