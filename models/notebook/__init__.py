"""models/notebook"""
