"""mien/bus"""
