"""cli/up"""
