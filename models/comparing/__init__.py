"""models/comparing"""
