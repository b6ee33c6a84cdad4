"""models/cleaning"""
