"""models/labelled"""
