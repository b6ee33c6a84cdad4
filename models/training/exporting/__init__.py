"""models/training/exporting"""
