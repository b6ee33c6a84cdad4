"""mien/headers"""
