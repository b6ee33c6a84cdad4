"""models/runtimes"""
