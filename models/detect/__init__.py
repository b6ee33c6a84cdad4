"""models/detect"""
