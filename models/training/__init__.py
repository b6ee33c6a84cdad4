"""models/training"""
