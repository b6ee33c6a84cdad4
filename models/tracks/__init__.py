"""models/tracks"""
